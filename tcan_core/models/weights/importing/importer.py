"""Import of files into a preset's store; all files are checked before anything is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from media.atomic_write import atomic_write
from media.digest import file_sha256
from tcan_core.errors import WeightsError
from tcan_core.models.weights.importing.checking import ImportPlan, check_source
from tcan_core.models.weights.importing.kinds import Kind
from tcan_core.models.weights.importing.reading import read_sources
from tcan_core.models.weights.keys import NAMED_KEYS
from tcan_core.models.weights.presets import Preset
from tcan_core.models.weights.store import LockEntry, lock, read_lock, remove


def check_files(
    paths: Sequence[Path], preset: Preset, kind: Kind | None = None, part: str | None = None
) -> list[ImportPlan]:
    """Compare files with a preset, see `check_source`; the last file with a part provides it.

    Raises:
        WeightsError: a file cannot be read, or its format is unknown.
    """
    plans = [
        check_source(source, preset, kind, part) for path in paths for source in read_sources(path)
    ]
    for number, earlier in enumerate(plans):
        for later in plans[number + 1 :]:
            for name in sorted(set(earlier.readers) & set(later.readers)):
                del earlier.readers[name]
                earlier.report.hints.append(f"{name} is taken from {later.report.file} instead")
    return plans


def reject_mismatches(plans: Sequence[ImportPlan]) -> None:
    """Raise an error if a key of any file does not fit.

    Raises:
        WeightsError: names the files and their keys.
    """
    problems = [
        f"{plan.report.file}: {plan.report.faults()}" for plan in plans if not plan.report.fits
    ]
    if problems:
        raise WeightsError("; ".join(problems))


# Parts that only work with the network that was in the same file.
COMPANIONS = {"denoising_unet": "lora", "controlnet": "controlnet_motion_modules"}


def reject_not_finite(plans: Sequence[ImportPlan]) -> None:
    """Raise an error if a weight of any file is not a finite number; reads all weights.

    Raises:
        WeightsError: names the files and their keys.
    """
    for plan in plans:
        for read in plan.readers.values():
            faulty = [key for key, value in read().items() if not _is_finite(value)]
            if faulty:
                more = f", and {len(faulty) - NAMED_KEYS} more" if len(faulty) > NAMED_KEYS else ""
                raise WeightsError(
                    f"{plan.report.file}: {len(faulty)} keys have values that are NaN or infinite "
                    f"({', '.join(faulty[:NAMED_KEYS])}{more}); the file is damaged, or training "
                    "diverged"
                )


def _is_finite(value: Tensor) -> bool:
    if not value.is_floating_point() or not value.numel():
        return True
    if value.element_size() == 1:  # 8-bit types have no arithmetic
        value = value.float()
    return all(bound.isfinite().item() for bound in value.aminmax())


def write_parts(plans: Sequence[ImportPlan], folder: Path, origin: LockEntry | None = None) -> None:
    """Write the parts as `<part>.safetensors` in their original dtype, and lock them.

    A LoRA or motion modules that came from the same file as a replaced network are removed, since
    they belong to it.

    Args:
        origin: origin for the lock; None uses the path of each source.

    Raises:
        WeightsError: a file does not fit, or has values that are not finite; nothing is written.
    """
    reject_mismatches(plans)
    reject_not_finite(plans)
    imported = {part for plan in plans for part in plan.readers}
    for plan in plans:
        source, digest = plan.source.path, None
        if origin is None and source.is_file() and plan.readers:
            digest = file_sha256(source)
        entry = origin or LockEntry("", str(source), source_sha256=digest)
        for part, read in plan.readers.items():
            companion = COMPANIONS.get(part)
            if companion not in imported and _is_outdated(folder, part, companion, entry.origin):
                remove(folder, f"{companion}.safetensors")
                plan.report.hints.append(
                    f"{companion} was removed: it came from the same file as the {part} before"
                )
            name = f"{part}.safetensors"
            write_safetensors(folder / name, read())
            sha256 = file_sha256(folder / name)
            lock(folder, {name: replace(entry, sha256=sha256, kind=plan.report.kind)})
            plan.report.written[part] = str(folder / name)


def _is_outdated(folder: Path, part: str, companion: str | None, origin: str) -> bool:
    """Return whether a companion came from the file of the part that `origin` replaces."""
    entries = read_lock(folder)
    one, other = (entries.get(f"{name}.safetensors") for name in (part, companion))
    return one is not None and other is not None and one.origin == other.origin != origin


def write_safetensors(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write weights atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as partial:
        save_tensors(_with_own_memory(state), partial)


def save_tensors(state: Mapping[str, Tensor], path: Path) -> None:
    """Write a safetensors file with the access rights that the umask gives."""
    path.touch()
    mode = path.stat().st_mode  # safetensors gives its files to their owner alone
    save_file(dict(state), path)
    path.chmod(mode)


def _with_own_memory(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy tensors that share their memory with others or are not contiguous."""
    uses = Counter(value.untyped_storage().data_ptr() for value in state.values())
    own: dict[str, Tensor] = {}
    for key, value in state.items():
        storage = value.untyped_storage()
        is_whole = storage.nbytes() == value.numel() * value.element_size()
        is_alone = is_whole and uses[storage.data_ptr()] == 1 and value.is_contiguous()
        own[key] = value if is_alone else value.contiguous().clone()
    return own
