"""Download of a preset's weights and their conversion to the networks' keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tcan_core.errors import WeightsError
from tcan_core.models.weights.hub.files import HubFile
from tcan_core.models.weights.hub.pull import PullProgress, matching_lock, pull_file
from tcan_core.models.weights.importing.checking import check_source
from tcan_core.models.weights.importing.importer import write_parts
from tcan_core.models.weights.importing.reading import read_sources
from tcan_core.models.weights.presets import MergedLora, Part, Preset
from tcan_core.models.weights.store import LockEntry, read_lock, store_folder

RAW_FOLDER = ".pulled"


def pullable(preset: Preset) -> dict[str, HubFile]:
    """Return the preset's files on the hub by part; merged LoRAs are `loras/<name>`."""
    return {name: file for name, file, _ in _pulls(preset)}


def pull_preset(preset: Preset, progress: PullProgress | None = None) -> dict[str, bool]:
    """Download and convert every part for which the preset names a file on the hub.

    Returns:
        By part, whether it was downloaded now; parts already in the store were not.

    Raises:
        WeightsError: a file cannot be downloaded, differs from the pinned or locked one, or does
            not fit. Finished parts are kept; the command can be repeated.
    """
    pulls = list(_pulls(preset))
    if not pulls:
        raise WeightsError(f"preset {preset.name} has no parts to pull; use `tcan models import`")
    groups: dict[tuple[HubFile, Path], list[str]] = {}
    for name, file, store in pulls:
        groups.setdefault((file, store), []).append(name)
    return {
        name: is_new
        for (file, store), names in groups.items()
        for name, is_new in _pull(preset, names, file, store, progress).items()
    }


def missing_pulls(preset: Preset) -> dict[HubFile, list[str]]:
    """Return the files that `pull_preset` would download, each with its parts."""
    files: dict[HubFile, list[str]] = {}
    for name, file, store in _pulls(preset):
        if not _is_installed(name, file, store):
            files.setdefault(file, []).append(name)
    return files


def _pulls(preset: Preset) -> Iterator[tuple[str, HubFile, Path]]:
    """Yield name, file and store; inherited parts go to the store of the preset that has them."""
    entries: dict[str, Part | MergedLora] = dict(preset.parts)
    entries |= {f"loras/{name}": lora for name, lora in preset.loras.items()}
    for name, entry in entries.items():
        if entry.pull is not None:
            yield name, entry.pull, store_folder(entry.store or preset.name)


def _pull(
    preset: Preset, names: list[str], file: HubFile, store: Path, progress: PullProgress | None
) -> dict[str, bool]:
    """Pull one file for all parts that it has; return for each whether it was installed now."""
    new = [name for name in names if not _is_installed(name, file, store)]
    if new:
        folder = store / RAW_FOLDER
        raw_name = f"{new[0]}{Path(file.file).suffix}"
        raw = pull_file(raw_name, file, folder, progress)
        (source,) = read_sources(raw)
        plan = check_source(source, preset, part=_target_part(new[0]) if len(names) == 1 else None)
        plan.report.file = str(file)
        missing = [name for name in new if name not in plan.readers]
        if missing:
            found = ", ".join(plan.readers) or "nothing"
            expected = ", ".join(missing)
            raise WeightsError(f"{file}: expected weights of {expected}, found {found}")
        plan.readers = {name: plan.readers[name] for name in new}
        origin = replace(read_lock(folder)[raw_name], origin=str(file), repo=file.repo)
        write_parts([plan], store, origin)
        raw.unlink()
    return {name: name in new for name in names}


def _is_installed(name: str, file: HubFile, store: Path) -> bool:
    """Return whether the store has a part, from this file or imported by the user."""
    entry = read_lock(store).get(f"{name}.safetensors")
    return (store / f"{name}.safetensors").exists() and _is_current(file, entry)


def _is_current(file: HubFile, entry: LockEntry | None) -> bool:
    """Return whether the stored file is the pinned one, or the user's own import."""
    if entry is not None and entry.repo is None:
        return True
    locked = matching_lock(file, entry)
    return locked is not None and file.sha256 in (None, locked.source_sha256)


def _target_part(name: str) -> str | None:
    """Return the target part, if a file's format leaves a choice."""
    selectable = ("denoising_unet", "reference_unet", "lora", "controlnet_motion_modules")
    return name if name in selectable or name.startswith("loras/") else None
