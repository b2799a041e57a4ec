"""Trained parts as a preset of their own: a YAML that extends the one they were trained from."""

from __future__ import annotations

from pathlib import Path

import yaml

from media.atomic_write import atomic_write
from tcan_core.models.weights.presets import load_preset
from tcan_core.models.weights.store import file_sha256


def export_preset(base: str, folder: Path, name: str) -> Path:
    """Write `preset.yaml` beside exported parts; `tcan animate --preset` takes its path.

    Args:
        base: the preset that was trained, by name or path: what is not in the folder is its own.
        folder: with `<part>.safetensors`, of stage 1 and of stage 2.
        name: of the new preset.

    Returns:
        The YAML's path.
    """
    parts = load_preset(base).parts
    files = [file for file in sorted(folder.glob("*.safetensors")) if file.stem in parts]
    shipped = not base.endswith((".yaml", ".yml"))
    content = {
        "name": name,
        "description": f"{base}, trained on",
        "extends": base if shipped else str(Path(base).resolve()),
        "parts": {file.stem: {"file": file.name, "sha256": file_sha256(file)} for file in files},
    }
    path = folder / "preset.yaml"
    with atomic_write(path) as unfinished:
        unfinished.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path
