"""Pull a preset's weights: fetch what its parts name, and convert it to what networks load."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tcan_core.errors import WeightsError
from tcan_core.models.weights.hub.files import HubFile
from tcan_core.models.weights.hub.pull import PullProgress, locked_pull, pull_file
from tcan_core.models.weights.importing.checking import check_source
from tcan_core.models.weights.importing.importer import write_parts
from tcan_core.models.weights.importing.reading import read_sources
from tcan_core.models.weights.presets import Part, Preset, StackedLora
from tcan_core.models.weights.store import Locked, read_lock, store_folder

RAW_FOLDER = ".pulled"


def pullable(preset: Preset) -> dict[str, HubFile]:
    """Return what the preset can pull, by part; stacked LoRAs are `loras/<name>`."""
    return {name: file for name, file, _ in _pulls(preset)}


def pull_preset(preset: Preset, progress: PullProgress | None = None) -> dict[str, bool]:
    """Fetch every part that the preset names a file of the hub for, and convert it.

    Returns:
        Whether each part was fetched now; those at hand were not.

    Raises:
        WeightsError: a file cannot be fetched, is not the one that is pinned or locked, or does not
            fit. What was done before stays; the command can be called again.
    """
    pulls = list(_pulls(preset))
    if not pulls:
        raise WeightsError(f"preset {preset.name} names nothing to pull")
    return {name: _pull(preset, name, file, store, progress) for name, file, store in pulls}


def _pulls(preset: Preset) -> Iterator[tuple[str, HubFile, Path]]:
    """Parts that are inherited are pulled into the store of the preset that names them."""
    named: dict[str, Part | StackedLora] = dict(preset.parts)
    named |= {f"loras/{name}": lora for name, lora in preset.loras.items()}
    for name, entry in named.items():
        if entry.pull is not None:
            yield name, entry.pull, store_folder(entry.store or preset.name)


def _pull(
    preset: Preset, name: str, file: HubFile, store: Path, progress: PullProgress | None
) -> bool:
    target, known = store / f"{name}.safetensors", read_lock(store).get(f"{name}.safetensors")
    if target.exists() and _is_right(file, known):
        return False
    folder = store / RAW_FOLDER
    raw_name = f"{name}{Path(file.file).suffix}"
    raw = pull_file(raw_name, file, folder, progress)
    (source,) = read_sources(raw)
    checked = check_source(source, preset, part=_choice(name))
    checked.report.file = str(file)
    if name not in checked.take:
        parts = ", ".join(checked.take) or "nothing"
        raise WeightsError(f"{file}: expected weights of {name}, found {parts}")
    checked.take = {name: checked.take[name]}
    fetched = read_lock(folder)[raw_name]
    write_parts([checked], store, _origin(file, fetched))
    raw.unlink()
    return True


def _is_right(file: HubFile, known: Locked | None) -> bool:
    """Whether what lies there is to stay: it is this file as pinned, or the user's own import."""
    if known is not None and known.repo is None:
        return True
    locked = locked_pull(file, known)
    return locked is not None and file.sha256 in (None, locked.source_sha256)


def _choice(name: str) -> str | None:
    """The part to say where a file's kind leaves it open."""
    open_to_choice = ("denoising_unet", "reference_unet", "lora", "controlnet_motion_modules")
    return name if name in open_to_choice or name.startswith("loras/") else None


def _origin(file: HubFile, fetched: Locked) -> Locked:
    return replace(fetched, origin=str(file), repo=file.repo)
