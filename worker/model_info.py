"""What a worker says of its model: the digests of its files, and how it runs."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from platform import python_version

from service.contract.workers import ModelInfo
from service.settings import RuntimeSettings
from tcan_core.models.weights.inventory import is_zero_shot, recorded_sha256, substituted_parts
from tcan_core.models.weights.presets import Preset
from tcan_core.models.weights.store import file_sha256

LIBRARIES = ("tcan", "torch", "diffusers", "peft", "av")


def model_info(
    preset: Preset,
    folder: Path | None,
    runtime: RuntimeSettings | None = None,
    *,
    loaded: bool = True,
) -> ModelInfo:
    """What a preset is, with the digests of its files; reads the files that it has none for.

    How it runs is among the versions where it is not as usual: another way rounds otherwise, so a
    job begun in one is not gone on with in the other. Offload moves networks and rounds nothing.

    Args:
        loaded: whether its networks are; of those that are not, no weights are told.
    """
    changed = runtime.model_dump(exclude_defaults=True, exclude={"offload"}) if runtime else {}
    ways = {f"runtime.{name}": str(value) for name, value in changed.items()}
    files = _files(preset, folder) if loaded else {}
    known = {} if folder else {name: recorded_sha256(preset, name) for name in files}
    return ModelInfo(
        preset=preset.name,
        description=preset.description,
        resolution=preset.resolution,
        num_inference_steps=preset.sampling.num_inference_steps,
        guidance_scale=preset.sampling.guidance_scale,
        weights={name: known.get(name) or file_sha256(path) for name, path in files.items()},
        stand_ins=substituted_parts(preset, folder) if loaded else {},
        zero_shot=loaded and is_zero_shot(preset, folder),
        versions={
            "python": python_version(),
            **{name: version(name) for name in LIBRARIES},
            **ways,
        },
    )


def _files(preset: Preset, folder: Path | None) -> dict[str, Path]:
    """The files that are loaded, by the names of parts and LoRAs."""
    files = {
        name: path
        for name in preset.parts
        if (path := _part_file(preset, name, folder)) is not None and path.exists()
    }
    loras = {f"loras/{name}": path for name in preset.loras if (path := preset.lora_file(name))}
    return files | loras


def _part_file(preset: Preset, name: str, folder: Path | None) -> Path | None:
    return preset.part_file(name) if folder is None else folder / f"{name}.safetensors"
