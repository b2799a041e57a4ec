"""Import of files into a preset's store; all files are checked before anything is written."""

from __future__ import annotations

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
from tcan_core.models.weights.presets import Preset
from tcan_core.models.weights.store import LockEntry, lock


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


def write_parts(plans: Sequence[ImportPlan], folder: Path, origin: LockEntry | None = None) -> None:
    """Write the parts as `<part>.safetensors` in their original dtype, and lock them.

    Args:
        origin: origin for the lock; None uses the path of each source.

    Raises:
        WeightsError: a file does not fit; nothing is written.
    """
    reject_mismatches(plans)
    for plan in plans:
        source, digest = plan.source.path, None
        if origin is None and source.is_file() and plan.readers:
            digest = file_sha256(source)
        for part, read in plan.readers.items():
            name = f"{part}.safetensors"
            write_safetensors(folder / name, read())
            entry = origin or LockEntry("", str(source), source_sha256=digest)
            sha256 = file_sha256(folder / name)
            lock(folder, {name: replace(entry, sha256=sha256, kind=plan.report.kind)})
            plan.report.written[part] = str(folder / name)


def write_safetensors(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write weights atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as partial:
        save_file({key: _with_own_memory(value) for key, value in state.items()}, partial)


def _with_own_memory(value: Tensor) -> Tensor:
    """Copy a tensor that shares its memory with others or is not contiguous."""
    is_whole = value.untyped_storage().nbytes() == value.numel() * value.element_size()
    return value if is_whole and value.is_contiguous() else value.contiguous().clone()
