"""Builders of a preset's networks with random weights; `loading` loads the trained ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
from diffusers.models.controlnets.controlnet import (
    ControlNetConditioningEmbedding,
    ControlNetModel,
)
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.unets.unet_motion_model import MotionAdapter
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from tcan_core.errors import ConfigError
from tcan_core.models.networks.image_encoder import ImageEncoder
from tcan_core.models.networks.pose_detector import build_pose_detector, build_subject_head
from tcan_core.models.networks.pose_embedding import PatchPoseEmbedding
from tcan_core.models.networks.vae import ImageCodec
from tcan_core.models.weights.presets import Preset


def build_codec(preset: Preset) -> ImageCodec:
    """Build the image codec."""
    config = dict(preset.parts["vae"].config)
    patch_size = config.pop("patch_size", 1)
    return ImageCodec(AutoencoderKL(**config), patch_size)


def build_preview_decoder(preset: Preset) -> AutoencoderTiny:
    """Build the small autoencoder whose decoder renders previews.

    Raises:
        ConfigError: its latents differ in shape from the codec's.
    """
    tiny: AutoencoderTiny = AutoencoderTiny(**preset.parts["preview_decoder"].config)
    codec = build_codec_on_meta(preset)
    factor = 2 ** (len(tiny.config["num_decoder_blocks"]) - 1)
    channels = int(tiny.config["latent_channels"])
    if (channels, factor) != (codec.latent_channels, codec.factor):
        raise ConfigError(
            f"preset {preset.name}: preview_decoder has {channels} latent channels at 1/{factor} "
            f"of the size; it must match the vae, {codec.latent_channels} at 1/{codec.factor}"
        )
    return tiny


def build_codec_on_meta(preset: Preset) -> ImageCodec:
    """Build the image codec on the meta device, to read its sizes without allocating weights."""
    with torch.device("meta"):
        return build_codec(preset)


def build_denoising_unet(preset: Preset) -> UNet2DConditionModel:
    """Build the denoising UNet without motion modules."""
    unet: UNet2DConditionModel = UNet2DConditionModel(**preset.parts["denoising_unet"].config)
    return unet


def build_reference_unet(preset: Preset) -> UNet2DConditionModel:
    """Build the reference UNet (the paper's appearance UNet, in code `appearance_encoder`)."""
    unet: UNet2DConditionModel = UNet2DConditionModel(**preset.parts["reference_unet"].config)
    return unet


def build_controlnet(preset: Preset) -> ControlNetModel:
    """Build the pose ControlNet without motion modules."""
    config = dict(preset.parts["controlnet"].config)
    patch_size = config.pop("pose_patch_size", 0)
    controlnet: ControlNetModel = ControlNetModel(**config)
    if patch_size:
        first = int(config["block_out_channels"][0])
        embedding = PatchPoseEmbedding(patch_size, first, first)
        controlnet.register_module("controlnet_cond_embedding", embedding)
    return controlnet


def build_pose_guider(preset: Preset) -> ControlNetConditioningEmbedding:
    """Build the pose guider, which takes the ControlNet's place in some presets."""
    return ControlNetConditioningEmbedding(**preset.parts["pose_guider"].config)


def build_image_encoder(preset: Preset) -> ImageEncoder:
    """Build the image encoder, whose embedding takes the prompt's place in some presets."""
    return ImageEncoder(preset.parts["image_encoder"].config)


def build_motion_adapter(preset: Preset) -> MotionAdapter:
    """Build the denoising UNet's motion modules."""
    adapter: MotionAdapter = MotionAdapter(**preset.parts["motion_modules"].config)
    return adapter


def controlnet_motion(preset: Preset) -> dict[str, Any]:
    """Return the settings of the ControlNet's motion modules.

    They default to those of the denoising UNet; the part's own configuration sets the blocks.
    """
    config = preset.parts["motion_modules"].config
    return {
        "num_attention_heads": config.get("motion_num_attention_heads", 8),
        "norm_num_groups": config.get("motion_norm_num_groups", 32),
        "max_seq_length": preset.max_context_size,
        "norm_grouping": preset.norm_grouping,
        **preset.config_of.get("controlnet_motion_modules", {}),
    }


def build_text_encoder(preset: Preset) -> CLIPTextModel | None:
    """Build the text encoder, or return None if the preset uses a constant prompt embedding."""
    config = preset.config_of.get("text_encoder")
    return CLIPTextModel(CLIPTextConfig(**config)) if config else None


def build_part(preset: Preset, name: str) -> nn.Module | None:
    """Build the network of a part, or return None if the part has no weights.

    Raises:
        KeyError: the part is not a network of its own: a LoRA or the ControlNet's motion modules.
    """
    builders: dict[str, Callable[[Preset], nn.Module | None]] = {
        "vae": lambda preset: build_codec(preset).vae,
        "preview_decoder": build_preview_decoder,
        "denoising_unet": build_denoising_unet,
        "reference_unet": build_reference_unet,
        "controlnet": build_controlnet,
        "pose_guider": build_pose_guider,
        "image_encoder": lambda preset: build_image_encoder(preset).clip,
        "motion_modules": build_motion_adapter,
        "text_encoder": build_text_encoder,
        "pose_detector": build_pose_detector,
        "subject_head": build_subject_head,
    }
    return builders[name](preset)


@torch.no_grad()
def empty_prompt(text_encoder: CLIPTextModel) -> Tensor:
    """Return the embedding of the empty prompt: a start token, then end tokens to full length.

    Returns:
        (1, tokens, dim).
    """
    config = text_encoder.config
    tokens = [config.bos_token_id] + [config.eos_token_id] * (config.max_position_embeddings - 1)
    embedding: Tensor = text_encoder(torch.tensor([tokens])).last_hidden_state
    return embedding


def constant_prompt(preset: Preset) -> Tensor:
    """Return the prompt embedding of a preset without a text encoder: (1, 1, dim), all ones.

    TCAN's prompt is always empty, so a small preset can be trained with any constant instead. With
    an image encoder it is a placeholder until an image is read.
    """
    return torch.ones(1, 1, int(preset.parts["denoising_unet"].config["cross_attention_dim"]))
