"""Inventory of a preset: parameter counts (on the meta device), and presence of weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from media.digest import file_sha256
from tcan_core.errors import WeightsError
from tcan_core.models.weights.importing.expected import expected_shapes
from tcan_core.models.weights.part_files import PartFolders, find_part, weights_source
from tcan_core.models.weights.presets import REFUSE, Preset
from tcan_core.models.weights.store import locked_file


@dataclass(frozen=True)
class PartInventory:
    """One part of a preset.

    Attributes:
        source: origin of its weights.
        sha256: expected sha256 of its file by the preset or the store's lock; None if unknown.
        present: whether its weights are available, or none are needed.
        license: licence of the file that `tcan models pull` downloads; empty if the stored file is
            the user's own.
        absent: the preset's rule for missing weights.
        file: the file that its weights are read from, empty if there is none.
    """

    name: str
    parameters: int
    source: str
    sha256: str | None
    present: bool
    license: str = ""
    absent: str = REFUSE
    file: str = ""


def inventory(preset: Preset) -> list[PartInventory]:
    """List the parts of a preset without loading them."""
    return [_entry(preset, name) for name in preset.parts]


def _entry(preset: Preset, name: str) -> PartInventory:
    part, parameters = preset.parts[name], part_parameters(preset, name)
    path = preset.part_file(name)
    locked = locked_file(path)
    is_own = locked is not None and locked.repo is None
    present = path.exists() if path is not None else parameters == 0
    return PartInventory(
        name,
        parameters,
        locked.origin if locked else part.source,
        part.sha256 or (locked.sha256 if locked else None),
        present,
        part.pull.license if part.pull and not is_own else "",
        part.absent,
        str(path) if path is not None and path.exists() else "",
    )


def part_parameters(preset: Preset, name: str) -> int:
    """Count the parameters of one part, without allocating them."""
    return sum(shape.numel() for shape in expected_shapes(preset, name).values())


def recorded_sha256(preset: Preset, name: str) -> str | None:
    """Return the sha256 of a part's file recorded in the preset or a lock, without reading it."""
    locked = locked_file(preset.part_file(name))
    return preset.parts[name].sha256 or (locked.sha256 if locked else None)


def substituted_parts(preset: Preset, folder: PartFolders = None) -> dict[str, str]:
    """Return the parts without own weights and their substitutes: a part's name or "nothing".

    Raises:
        WeightsError: a part has no weights, and the preset does not allow that.
    """
    sources = {
        name: weights_source(preset, name, folder)
        for name, part in preset.parts.items()
        if part.absent != REFUSE
    }
    return {name: source or "nothing" for name, source in sources.items() if source != name}


def is_zero_shot(preset: Preset, folder: PartFolders = None) -> bool:
    """Return whether the model lacks weights trained by TCAN: stage 1 would leave a LoRA."""
    return "lora" in preset.parts and substituted_parts(preset, folder).get("lora") == "nothing"


def missing_parts(preset: Preset, folder: PartFolders = None) -> dict[str, str]:
    """Return the parts without which the model does not load, with the reason."""
    problems = {}
    for name, part in preset.parts.items():
        try:
            if part.absent == REFUSE:
                find_part(preset, name, folder)
        except WeightsError as error:
            if part_parameters(preset, name):
                problems[name] = str(error)
    return problems


def damaged_parts(preset: Preset) -> dict[str, str]:
    """Check every file of the preset and return the problems, by part."""
    problems = {}
    for name, path, expected in _files(preset):
        locked = locked_file(path)
        if not path.exists():
            problems[name] = f"{path.name} is missing"
        elif expected or locked:
            actual = file_sha256(path)
            if expected and actual != expected:
                problems[name] = f"{path.name} does not have the sha256 in the preset"
            elif locked and actual != locked.sha256:
                problems[name] = f"{path.name} has changed since it was stored (sha256)"
    return problems


def count_files(preset: Preset) -> int:
    """Return the number of files that `damaged_parts` checks."""
    return len(list(_files(preset)))


def _files(preset: Preset) -> Iterator[tuple[str, Path, str | None]]:
    for name, part in preset.parts.items():
        path = preset.part_file(name)
        if path is not None:
            yield name, path, part.sha256
    for name, lora in preset.loras.items():
        path = preset.lora_file(name)
        if path is not None:
            yield f"loras/{name}", path, lora.sha256
