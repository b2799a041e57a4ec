"""Frozen weights that a run is trained on; their digests are kept beside its checkpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from media.atomic_write import atomic_write
from media.digest import file_sha256
from tcan_core.errors import WeightsError
from tcan_core.models.weights.part_files import PartFolders, find_part, has_part
from tcan_core.models.weights.presets import Preset

TRAINED_ON = "trained_on.json"


class BaseFile(NamedTuple):
    """A file with frozen weights, and its digest when the run started."""

    path: Path
    sha256: str


def find_base(preset: Preset, parts: tuple[str, ...], folders: PartFolders) -> dict[str, BaseFile]:
    """Return the files of frozen parts by name, and of merged LoRAs as `loras/<name>`.

    Args:
        parts: names of the parts that a stage builds on; those without weights are left out.
    """
    files = {
        name: find_part(preset, name, folders)
        for name in parts
        if name in preset.parts and has_part(preset, name, folders)
    }
    loras = {f"loras/{name}": preset.lora_file(name) for name in preset.loras if parts}
    files |= {name: path for name, path in loras.items() if path is not None}
    return {name: BaseFile(path, file_sha256(path)) for name, path in files.items()}


def check_base(output: Path, base: Mapping[str, BaseFile]) -> None:
    """Compare frozen weights with those that a run was started with.

    Args:
        output: folder of the run; nothing is compared if it has no record, as in earlier releases.

    Raises:
        WeightsError: weights are others than at the start of the run.
    """
    path = output / TRAINED_ON
    if not path.exists():
        return
    before = dict(json.loads(path.read_text(encoding="utf-8")))
    now = {name: file.sha256 for name, file in base.items()}
    changed = [
        f"{name} ({before.get(name, 'none')[:12]} before, {now.get(name, 'none')[:12]} now)"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]
    if changed:
        raise WeightsError(
            f"{output}: this run was trained on other weights, by sha256: {', '.join(changed)}; "
            "restore those, or start a new run in another `run.output`"
        )


def record_base(output: Path, base: Mapping[str, BaseFile]) -> None:
    """Write the digests beside the run's checkpoints."""
    digests = {name: file.sha256 for name, file in base.items()}
    with atomic_write(output / TRAINED_ON) as unfinished:
        unfinished.write_text(json.dumps(digests, indent=1) + "\n", encoding="utf-8")
