"""Export of trained parts as a preset: a YAML that extends the preset they were trained from."""

from __future__ import annotations

from pathlib import Path

import yaml

from media.atomic_write import atomic_write
from media.digest import file_sha256
from tcan_core.models.weights.presets import load_preset


def export_preset(base: str, folder: Path, name: str) -> Path:
    """Write `preset.yaml` next to exported parts; `tcan animate --preset` accepts its path.

    Args:
        base: name or path of the trained preset, which provides the parts not in the folder.
        folder: folder with `<part>.safetensors` of stages 1 and 2.

    Returns:
        The path of the YAML file.
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
