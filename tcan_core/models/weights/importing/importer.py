"""Import files into a preset's store: all are checked before anything is written."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from tcan_core.errors import WeightsError
from tcan_core.models.weights.importing.checking import Checked, check_source
from tcan_core.models.weights.importing.kinds import Kind
from tcan_core.models.weights.importing.reading import read_sources
from tcan_core.models.weights.presets import Preset
from tcan_core.models.weights.store import Locked, file_sha256, lock


def check_files(
    paths: Sequence[Path], preset: Preset, kind: Kind | None = None, part: str | None = None
) -> list[Checked]:
    """Hold files against a preset; see `check_source`. A part comes from the last file with it.

    Raises:
        WeightsError: a file cannot be read, or its kind cannot be told.
    """
    checked = [
        check_source(source, preset, kind, part) for path in paths for source in read_sources(path)
    ]
    for number, earlier in enumerate(checked):
        for later in checked[number + 1 :]:
            for name in sorted(set(earlier.take) & set(later.take)):
                del earlier.take[name]
                earlier.report.hints.append(f"{name} is taken from {later.report.file} instead")
    return checked


def refuse_misfits(checked: Sequence[Checked]) -> None:
    """Refuse files of which a key does not fit.

    Raises:
        WeightsError: names the files and their keys.
    """
    misfits = [f"{one.report.file}: {one.report.faults()}" for one in checked]
    told = [line for one, line in zip(checked, misfits, strict=True) if not one.report.fits]
    if told:
        raise WeightsError("; ".join(told))


def write_parts(checked: Sequence[Checked], folder: Path, origin: Locked | None = None) -> None:
    """Write what was checked as `<part>.safetensors`, in the types that it came in, and lock it.

    Args:
        origin: where it came from; by default the path that was read.

    Raises:
        WeightsError: a file does not fit; nothing is written.
    """
    refuse_misfits(checked)
    for one in checked:
        source, digest = one.source.path, None
        if origin is None and source.is_file() and one.take:
            digest = file_sha256(source)
        for part, take in one.take.items():
            name = f"{part}.safetensors"
            write_safetensors(folder / name, take())
            said = origin or Locked("", str(source), source_sha256=digest)
            sha256 = file_sha256(folder / name)
            lock(folder, {name: replace(said, sha256=sha256, kind=one.report.kind)})
            one.report.written[part] = str(folder / name)


def write_safetensors(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write weights, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file({key: _alone(value) for key, value in state.items()}, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _alone(value: Tensor) -> Tensor:
    """Give a tensor memory of its own where it shares it, or has gaps."""
    whole = value.untyped_storage().nbytes() == value.numel() * value.element_size()
    return value if whole and value.is_contiguous() else value.contiguous().clone()
