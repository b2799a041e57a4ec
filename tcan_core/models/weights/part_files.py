"""Files of the weights of a preset's parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from tcan_core.errors import WeightsError
from tcan_core.models.weights.keys import read_safetensors
from tcan_core.models.weights.presets import LEAVE_OUT, REFUSE, Preset

# Folders of `<name>.safetensors`: one, or several in search order. None means the preset's own
# files, next to its YAML or in its store.
PartFolders = Path | Sequence[Path | None] | None


def find_part(preset: Preset, name: str, folder: PartFolders = None) -> Path:
    """Return the file with a part's weights.

    Raises:
        WeightsError: there is none.
    """
    paths = _part_paths(preset, name, folder)
    existing = next((path for path in paths if path.exists()), None)
    if existing is None:
        where = f" at {', '.join(map(str, paths))}" if paths else ""
        hint = _how_to_get(preset, name) if None in _as_sequence(folder) else ""
        raise WeightsError(f"preset {preset.name}: no weights for {name}{where}{hint}")
    return existing


def read_part(preset: Preset, name: str, folder: PartFolders = None) -> dict[str, Tensor]:
    """Read the weights of one part as float32.

    Raises:
        WeightsError: the file is missing or damaged, or its digest differs from the preset's or
            from the lock of its store.
    """
    path = find_part(preset, name, folder)
    is_own = None in _as_sequence(folder) and path == preset.part_file(name)
    expected = preset.parts[name].sha256 if is_own else None
    return read_safetensors(path, expected)


def weights_source(preset: Preset, name: str, folder: PartFolders = None) -> str | None:
    """Return the name of the part whose weights a part uses.

    Returns:
        The part's own name, the name of its substitute, or None if the part is left out or the
        preset does not have it.

    Raises:
        WeightsError: the part has no weights, and the preset does not allow that.
    """
    if name not in preset.parts:
        return None
    absent = preset.parts[name].absent
    if absent == REFUSE or has_part(preset, name, folder):
        find_part(preset, name, folder)
        return name
    return None if absent == LEAVE_OUT else weights_source(preset, absent, folder)


def has_part(preset: Preset, name: str, folder: PartFolders = None) -> bool:
    """Return whether a part's own weights exist."""
    return any(path.exists() for path in _part_paths(preset, name, folder))


def _part_paths(preset: Preset, name: str, folder: PartFolders) -> list[Path]:
    paths = (
        preset.part_file(name) if one is None else one / f"{name}.safetensors"
        for one in _as_sequence(folder)
    )
    return [path for path in paths if path]


def _as_sequence(folder: PartFolders) -> Sequence[Path | None]:
    return [folder] if folder is None or isinstance(folder, Path) else folder


def _how_to_get(preset: Preset, name: str) -> str:
    pull = f"`tcan models pull {preset.name}` or " if preset.parts[name].pull else ""
    return f"; run {pull}`tcan models import FILE --preset {preset.name}`"
