"""Strict loading of a preset's weights, and assembly of the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.unets.unet_motion_model import UNetMotionModel
from torch import Tensor, nn

from tcan_core.errors import ConfigError
from tcan_core.models.networks.image_encoder import ImageEncoder
from tcan_core.models.networks.lora import add_lora, load_lora, merge_lora
from tcan_core.models.networks.motion import (
    TemporalControlNet,
    add_motion,
    load_motion_state,
    select_for,
)
from tcan_core.models.networks.tcan import Tcan
from tcan_core.models.networks.vae import ImageCodec
from tcan_core.models.weights.builders import (
    build_codec,
    build_controlnet,
    build_denoising_unet,
    build_image_encoder,
    build_motion_adapter,
    build_pose_guider,
    build_preview_decoder,
    build_reference_unet,
    build_text_encoder,
    constant_prompt,
    controlnet_motion,
    empty_prompt,
)
from tcan_core.models.weights.keys import check_keys
from tcan_core.models.weights.merged_loras import merge_loras
from tcan_core.models.weights.part_files import (
    PartFolders,
    read_part,
    weights_source,
)
from tcan_core.models.weights.presets import Preset

Network = TypeVar("Network", bound=nn.Module)
OWN_LORA = {"rank": 16, "alpha": 16}  # trained for a preset without one; sd15's


def load_strictly(network: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Load weights into a network; every key must match.

    Raises:
        WeightsError: keys are missing or unexpected, or shapes differ.
    """
    check_keys(what, network.state_dict(), state)
    network.load_state_dict(state)


def load_prompt(preset: Preset, folder: PartFolders = None) -> Tensor:
    """Return the embedding of the empty prompt, the only one that TCAN uses, (1, tokens, dim).

    A preset without a text encoder uses a constant instead.
    """
    text_encoder = build_text_encoder(preset)
    if text_encoder is None or preset.text == "image":
        return constant_prompt(preset)
    load_strictly(text_encoder, read_part(preset, "text_encoder", folder), "text_encoder")
    return empty_prompt(text_encoder)


def load_image_encoder(preset: Preset, folder: PartFolders = None) -> ImageEncoder | None:
    """Build the image encoder, or return None if the text is a prompt."""
    if preset.text != "image":
        return None
    encoder = build_image_encoder(preset)
    load_strictly(encoder.clip, read_part(preset, "image_encoder", folder), "image_encoder")
    return encoder


def load_codec(preset: Preset, folder: PartFolders = None) -> ImageCodec:
    """Build the image codec with its weights."""
    codec = build_codec(preset)
    load_strictly(codec.vae, read_part(preset, "vae", folder), "vae")
    return codec


def load_preview_decoder(preset: Preset, folder: PartFolders = None) -> AutoencoderTiny | None:
    """Build the preview decoder, or return None if the codec decodes previews.

    Raises:
        WeightsError: its weights do not fit, or are missing and the preset does not allow that.
    """
    name = "preview_decoder"
    if name not in preset.parts or weights_source(preset, name, folder) != name:
        return None
    decoder = build_preview_decoder(preset)
    load_strictly(decoder, read_part(preset, name, folder), name)
    return decoder


def load_base_unet(preset: Preset, folder: PartFolders = None) -> UNet2DConditionModel:
    """Build the denoising UNet without motion modules and LoRA."""
    unet = build_denoising_unet(preset)
    load_strictly(unet, read_part(preset, "denoising_unet", folder), "denoising_unet")
    return unet


def load_controlnet(preset: Preset, folder: PartFolders = None) -> ControlNetModel:
    """Build the ControlNet without motion modules.

    Raises:
        ConfigError: the preset has none.
        WeightsError: its weights are missing or do not fit.
    """
    if "controlnet" not in preset.parts:
        raise ConfigError(
            f"preset {preset.name} has no ControlNet, which training needs; use one such as sd15"
        )
    controlnet = build_controlnet(preset)
    load_strictly(controlnet, read_part(preset, "controlnet", folder), "controlnet")
    return controlnet


def load_pose_guider(preset: Preset, folder: PartFolders = None) -> nn.Module | None:
    """Build the pose guider, or return None if the preset has a ControlNet in its place."""
    if "pose_guider" not in preset.parts:
        return None
    guider = build_pose_guider(preset)
    load_strictly(guider, read_part(preset, "pose_guider", folder), "pose_guider")
    return guider


def load_appearance(
    preset: Preset, folder: PartFolders = None
) -> tuple[UNet2DConditionModel, ControlNetModel, UNet2DConditionModel]:
    """Build the model of stage 1: denoising UNet with merged LoRA, ControlNet, reference UNet."""
    controlnet = load_controlnet(preset, folder)
    unet, reference_unet = load_unets(preset, folder)
    return unet, controlnet, reference_unet


def load_unets(
    preset: Preset, folder: PartFolders = None
) -> tuple[UNet2DConditionModel, UNet2DConditionModel]:
    """Build denoising UNet and reference UNet, with all LoRAs merged."""
    return load_merged_unet(preset, folder), load_merged_reference_unet(preset, folder)


def load_merged_reference_unet(preset: Preset, folder: PartFolders = None) -> UNet2DConditionModel:
    """Build the reference UNet, with its LoRAs merged."""
    unet = load_reference_unet(preset, folder)
    merge_loras(preset, {"reference_unet": unet})
    return unet


def load_merged_unet(preset: Preset, folder: PartFolders = None) -> UNet2DConditionModel:
    """Build the denoising UNet without motion modules, with all LoRAs merged."""
    unet = load_base_unet(preset, folder)
    if weights_source(preset, "lora", folder) is not None:
        add_lora(unet, **lora_config(preset))
        load_lora(unet, read_part(preset, "lora", folder))
        merge_lora(unet)
        unload_merged(unet)
    merge_loras(preset, {"denoising_unet": unet})
    return unet


def load_denoising_unet(
    preset: Preset, folder: PartFolders = None, motion: bool = True
) -> UNet2DConditionModel | UNetMotionModel:
    """Build the denoising UNet with all LoRAs merged, and with its motion modules if any."""
    unet = load_merged_unet(preset, folder)
    if not motion:
        return unet
    inflated = add_motion(unet, build_motion_adapter(preset), preset.norm_grouping)
    load_motion_state(inflated, read_part(preset, "motion_modules", folder), "motion_modules")
    return inflated


def load_reference_unet(preset: Preset, folder: PartFolders = None) -> UNet2DConditionModel:
    """Build the reference UNet without LoRAs, with the weights that the preset has for it."""
    reference_unet = build_reference_unet(preset)
    source = weights_source(preset, "reference_unet", folder) or "reference_unet"
    load_strictly(reference_unet, read_part(preset, source, folder), "reference_unet")
    return reference_unet


def load_tcan(
    preset: Preset,
    folder: PartFolders = None,
    motion: bool = True,
    temporal_controlnet: bool = True,
    dtype: torch.dtype = torch.float32,
) -> Tcan:
    """Build the whole model for inference: weights loaded, LoRA merged, parameters frozen.

    Weights are merged in float32; each network is cast before the next one is read, so that
    at most one is held in 32 bits.

    Args:
        folder: folders of `<name>.safetensors`; None uses the preset's own files.
        motion: whether UNet and ControlNet have motion modules; False gives the model of stage 1.
        temporal_controlnet: False omits only the ControlNet's motion modules.
        dtype: type of all networks but the codec.
    """
    if not motion and "pose_guider" in preset.parts:
        raise ConfigError(f"preset {preset.name} was trained with motion modules; keep them")
    denoising_unet = _cast(load_denoising_unet(preset, folder, motion), dtype)
    reference_unet = _cast(load_merged_reference_unet(preset, folder), dtype)
    controlnet: ControlNetModel | TemporalControlNet | None = None
    pose_guider = load_pose_guider(preset, folder)
    if pose_guider is None:
        controlnet = load_controlnet(preset, folder)
        if motion and temporal_controlnet:
            controlnet = load_temporal(preset, controlnet, folder)
        controlnet = _cast(controlnet, dtype)
    image_encoder = load_image_encoder(preset, folder)
    codec = load_codec(preset, folder)
    codec.preview_decoder = load_preview_decoder(preset, folder)
    tcan = Tcan(
        codec,
        denoising_unet,
        reference_unet,
        controlnet,
        load_prompt(preset, folder),
        pose_guider,
        None if image_encoder is None else _cast(image_encoder, dtype),
        preset.reference,
    )
    for network in tcan.networks:
        network.requires_grad_(False).eval()
    return tcan


def _cast(network: Network, dtype: torch.dtype) -> Network:
    return nn.Module.to(network, dtype)  # diffusers' own `to` warns about parts to keep in float32


def load_temporal(
    preset: Preset, controlnet: ControlNetModel, folder: PartFolders = None
) -> ControlNetModel | TemporalControlNet:
    """Add motion modules to the ControlNet, following the preset's rule if weights are missing.

    If the denoising UNet's weights are the substitute, those with a counterpart are used.
    """
    source = weights_source(preset, "controlnet_motion_modules", folder)
    if source is None:
        return controlnet
    temporal = TemporalControlNet(controlnet, controlnet_motion(preset))
    state = read_part(preset, source, folder)
    if source != "controlnet_motion_modules":
        state = select_for(temporal, state)
    load_motion_state(temporal, state, "controlnet_motion_modules")
    return temporal


def lora_config(preset: Preset) -> dict[str, int]:
    """Return rank and alpha of the preset's LoRA; of one that it does not have, `OWN_LORA`."""
    part = preset.parts.get("lora")
    return OWN_LORA if part is None else {key: part.config[key] for key in OWN_LORA}


def unload_merged(unet: nn.Module) -> None:
    """Replace peft's wrappers by the merged layers, so that keys are the plain network's again."""
    from peft.tuners.lora import Linear

    for name, module in list(unet.named_modules()):
        if isinstance(module, Linear):
            parent, _, leaf = name.rpartition(".")
            setattr(unet.get_submodule(parent), leaf, module.get_base_layer())
