"""The description of a worker's model: digests of its files, and options that change results."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from platform import python_version

from media.digest import file_sha256
from service.contract.workers import ModelInfo
from service.settings import RuntimeSettings
from tcan_core.models.weights.inventory import is_zero_shot, recorded_sha256, substituted_parts
from tcan_core.models.weights.presets import Preset, shipped_presets
from tcan_core.pipelines.animate_settings import AnimateSettings

# Of the weights that this project trained.
OWN_LICENSE = "apache-2.0"
LIBRARIES = ("tcan", "torch", "diffusers", "peft", "av")


def model_info(
    preset: Preset,
    folder: Path | None,
    runtime: RuntimeSettings | None = None,
    *,
    loaded: bool = True,
) -> ModelInfo:
    """Describe a preset, with the digests of its files; files without a known digest are read.

    Runtime options that are not the default are listed under versions: they change rounding, so a
    job started with one set is not resumed with another. Offload changes no rounding.

    Args:
        loaded: whether the networks are loaded; otherwise no weights are listed.
    """
    changed = runtime.model_dump(exclude_defaults=True, exclude={"offload"}) if runtime else {}
    options = {f"runtime.{name}": str(value) for name, value in changed.items()}
    files = _files(preset, folder) if loaded else {}
    hashes = {} if folder else {name: recorded_sha256(preset, name) for name in files}
    sampling = preset.sampling
    return ModelInfo(
        preset=preset.name,
        description=preset.description,
        resolution=preset.resolution,
        num_inference_steps=sampling.num_inference_steps,
        guidance_scale=sampling.guidance_scale,
        context_size=sampling.context_size,
        context_overlap=sampling.context_overlap,
        ptm_tau=AnimateSettings().temperature(preset),
        scheduler=sampling.scheduler,
        weights={name: hashes.get(name) or file_sha256(path) for name, path in files.items()},
        stand_ins=substituted_parts(preset, folder) if loaded else {},
        zero_shot=loaded and is_zero_shot(preset, folder),
        versions={
            "python": python_version(),
            **{name: version(name) for name in LIBRARIES},
            **options,
        },
        licenses=_licenses(preset),
    )


def _licenses(preset: Preset) -> tuple[str, ...]:
    """Return the licences of the weights that a preset's parts and LoRAs are pulled from."""
    pulled = [part.pull for part in preset.parts.values() if part.pull]
    pulled += [lora.pull for lora in preset.loras.values() if lora.pull]
    if not pulled and preset.name in shipped_presets():
        return (OWN_LICENSE,)
    return tuple(sorted({file.license for file in pulled if file.license}))


def _files(preset: Preset, folder: Path | None) -> dict[str, Path]:
    """Return the files that are loaded for rendering, by the names of parts and LoRAs.

    The classifier that refuses images changes no result, so checkpoints do not depend on it.
    """
    files = {
        name: path
        for name in preset.parts
        if name != "subject_head"
        and (path := _part_file(preset, name, folder)) is not None
        and path.exists()
    }
    loras = {f"loras/{name}": path for name in preset.loras if (path := preset.lora_file(name))}
    return files | loras


def _part_file(preset: Preset, name: str, folder: Path | None) -> Path | None:
    return preset.part_file(name) if folder is None else folder / f"{name}.safetensors"
