"""Export of trained parts as a preset: a YAML that extends the preset they were trained from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from media.atomic_write import atomic_write
from media.digest import file_sha256
from tcan_core.models.weights.loading import lora_config
from tcan_core.models.weights.presets import load_preset
from tcan_core.training.base_weights import BaseFile


def export_preset(
    base: str, folder: Path, name: str, trained_on: Mapping[str, BaseFile] | None = None
) -> Path:
    """Write `preset.yaml` next to exported parts; `tcan animate --preset` accepts its path.

    Args:
        base: name or path of the trained preset, which provides the parts not in the folder.
        folder: folder with `<part>.safetensors` of stages 1 and 2.
        trained_on: frozen parts and LoRAs of the training, as `find_base` returns them. The preset
            has their digests, so that it loads no others.

    Returns:
        The path of the YAML file.
    """
    preset = load_preset(base)
    names = {*preset.parts, "lora"}  # any preset can be fine-tuned
    files = [file for file in sorted(folder.glob("*.safetensors")) if file.stem in names]
    parts: dict[str, Any] = {
        file.stem: {"file": file.name, "sha256": file_sha256(file)}
        | ({} if file.stem in preset.parts else {"config": lora_config(preset)})
        for file in files
    }
    loras = dict[str, dict[str, str]]()
    for key, (file, sha256) in (trained_on or {}).items():
        is_lora, part = key.startswith("loras/"), key.removeprefix("loras/")
        own = preset.lora_file(part) if is_lora else preset.part_file(part)
        place = file.name if file.parent == folder else str(file.resolve())
        entry = {"sha256": sha256} if file == own else {"file": place, "sha256": sha256}
        (loras if is_lora else parts)[part] = entry
    shipped = not base.endswith((".yaml", ".yml"))
    content = {
        "name": name,
        "description": f"{base}, trained on",
        "extends": base if shipped else str(Path(base).resolve()),
        "parts": parts,
        **({"loras": loras} if loras else {}),
    }
    path = folder / "preset.yaml"
    with atomic_write(path) as unfinished:
        unfinished.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path
