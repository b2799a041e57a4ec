"""Load the weights of a preset's parts, strictly, and assemble the model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.unets.unet_motion_model import UNetMotionModel
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from tcan_core.errors import WeightsError
from tcan_core.models.builders import (
    build_codec,
    build_controlnet,
    build_denoising_unet,
    build_motion_adapter,
    build_reference_unet,
    build_text_encoder,
    constant_prompt,
    controlnet_motion,
    empty_prompt,
)
from tcan_core.models.keys import check_keys
from tcan_core.models.lora import add_lora, load_lora, merge_lora
from tcan_core.models.motion import TemporalControlNet, add_motion, load_motion_state
from tcan_core.models.presets import Preset
from tcan_core.models.tcan import Tcan
from tcan_core.models.vae import ImageCodec

# Where parts lie as `<name>.safetensors`: one folder, or several, searched in this order. None is
# the preset's own files.
PartFolders = Path | Sequence[Path] | None


def find_part(preset: Preset, name: str, folder: PartFolders = None) -> Path:
    """Return the file that holds a part's weights.

    Raises:
        WeightsError: there is none.
    """
    if folder is None:
        paths = [path for path in (preset.part_file(name),) if path]
    else:
        folders = [folder] if isinstance(folder, Path) else folder
        paths = [one / f"{name}.safetensors" for one in folders]
    found = next((path for path in paths if path.exists()), None)
    if found is None:
        where = f" at {', '.join(map(str, paths))}" if paths else ""
        raise WeightsError(f"preset {preset.name}: no weights for {name}{where}")
    return found


def read_part(preset: Preset, name: str, folder: PartFolders = None) -> dict[str, Tensor]:
    """Read the weights of one part, as float32.

    Raises:
        WeightsError: the file is missing, damaged, or has another sha256 than the preset says.
    """
    path = find_part(preset, name, folder)
    wanted = None if folder else preset.parts[name].sha256
    if wanted and file_sha256(path) != wanted:
        raise WeightsError(f"{path}: sha256 is {file_sha256(path)}, the preset says {wanted}")
    try:
        return {key: value.float() for key, value in load_file(path).items()}
    except SafetensorError as error:
        raise WeightsError(f"{path}: not a safetensors file ({error})") from error


def file_sha256(path: Path) -> str:
    """Return the hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_strictly(network: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Load weights; every key must fit.

    Raises:
        WeightsError: names missing and unexpected keys, and shapes that differ.
    """
    check_keys(what, network.state_dict(), state)
    network.load_state_dict(state)


def load_prompt(preset: Preset, folder: PartFolders = None) -> Tensor:
    """Return the embedding of the empty prompt, (1, tokens, dim), of which TCAN knows no other.

    A preset without a text encoder has a constant in its place.
    """
    text_encoder = build_text_encoder(preset)
    if text_encoder is None:
        return constant_prompt(preset)
    load_strictly(text_encoder, read_part(preset, "text_encoder", folder), "text_encoder")
    return empty_prompt(text_encoder)


def load_codec(preset: Preset, folder: PartFolders = None) -> ImageCodec:
    """Build the image codec with its weights."""
    codec = build_codec(preset)
    load_strictly(codec.vae, read_part(preset, "vae", folder), "vae")
    return codec


def load_prior(
    preset: Preset, folder: PartFolders = None
) -> tuple[UNet2DConditionModel, ControlNetModel]:
    """Build denoising UNet and ControlNet as they are before TCAN: no motion modules, no LoRA."""
    unet, controlnet = build_denoising_unet(preset), build_controlnet(preset)
    load_strictly(unet, read_part(preset, "denoising_unet", folder), "denoising_unet")
    load_strictly(controlnet, read_part(preset, "controlnet", folder), "controlnet")
    return unet, controlnet


def load_appearance(
    preset: Preset, folder: PartFolders = None
) -> tuple[UNet2DConditionModel, ControlNetModel, UNet2DConditionModel]:
    """Build what stage 1 leaves: denoising UNet with LoRA merged, ControlNet, reference UNet."""
    unet, controlnet = load_prior(preset, folder)
    reference_unet = build_reference_unet(preset)
    load_strictly(reference_unet, read_part(preset, "reference_unet", folder), "reference_unet")
    lora = preset.parts["lora"].config
    add_lora(unet, lora["rank"], lora["alpha"])
    load_lora(unet, read_part(preset, "lora", folder))
    merge_lora(unet)
    unload_merged(unet)
    return unet, controlnet, reference_unet


def load_tcan(
    preset: Preset,
    folder: PartFolders = None,
    motion: bool = True,
    temporal_controlnet: bool = True,
) -> Tcan:
    """Build the whole model with its weights, ready for inference: frozen, LoRA merged.

    Args:
        folder: where the parts lie as `<name>.safetensors`; by default the preset's own files.
        motion: whether UNet and ControlNet carry motion modules; without them it is stage 1's
            model.
        temporal_controlnet: False leaves them out of the ControlNet alone.
    """
    unet, controlnet, reference_unet = load_appearance(preset, folder)
    denoising_unet: UNet2DConditionModel | UNetMotionModel = unet
    temporal: ControlNetModel | TemporalControlNet = controlnet
    if motion:
        denoising_unet = add_motion(unet, build_motion_adapter(preset))
        state = read_part(preset, "motion_modules", folder)
        load_motion_state(denoising_unet, state, "motion_modules")
    if motion and temporal_controlnet:
        temporal = TemporalControlNet(controlnet, controlnet_motion(preset))
        state = read_part(preset, "controlnet_motion_modules", folder)
        load_motion_state(temporal, state, "controlnet_motion_modules")
    codec = load_codec(preset, folder)
    prompt = load_prompt(preset, folder)
    tcan = Tcan(codec, denoising_unet, reference_unet, temporal, prompt)
    for frozen in tcan.networks:
        frozen.requires_grad_(False).eval()
    return tcan


def unload_merged(unet: nn.Module) -> None:
    """Put merged layers back in place of peft's wrappers: keys are the plain network's again."""
    from peft.tuners.lora import Linear

    for name, module in list(unet.named_modules()):
        if isinstance(module, Linear):
            parent, _, leaf = name.rpartition(".")
            setattr(unet.get_submodule(parent), leaf, module.get_base_layer())


@torch.no_grad()
def count_parameters(network: nn.Module) -> int:
    """Return the number of parameters, on any device."""
    return sum(parameter.numel() for parameter in network.parameters())
