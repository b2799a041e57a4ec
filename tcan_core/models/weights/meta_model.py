"""Models without weights, to measure their memory or to fill them with random weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from diffusers.models.modeling_utils import no_init_weights
from torch import Tensor

from tcan_core.models.networks.motion import TemporalControlNet, add_motion
from tcan_core.models.networks.tcan import Tcan
from tcan_core.models.weights.builders import (
    build_codec,
    build_controlnet,
    build_denoising_unet,
    build_image_encoder,
    build_motion_adapter,
    build_pose_guider,
    build_reference_unet,
    controlnet_motion,
)
from tcan_core.models.weights.presets import Preset


def uninitialized_tcan(preset: Preset, dtype: torch.dtype = torch.float32) -> Tcan:
    """Build a preset's frozen model in one dtype, with uninitialized weights and prompt.

    No network is built in a wider dtype first, so building needs no more memory than the model.
    """
    with uninitialized_weights(dtype):
        unet = add_motion(
            build_denoising_unet(preset), build_motion_adapter(preset), preset.norm_grouping
        )
        controlnet, pose_guider = None, None
        if "pose_guider" in preset.parts:
            pose_guider = build_pose_guider(preset)
        else:
            temporal = TemporalControlNet(build_controlnet(preset), controlnet_motion(preset))
            controlnet = temporal.to(dtype)
        reference_unet, codec = build_reference_unet(preset), build_codec(preset)
        encoder = build_image_encoder(preset) if preset.text == "image" else None
        nets = codec, unet, reference_unet, controlnet
        tcan = Tcan(*nets, _no_prompt(preset), pose_guider, encoder, preset.reference)
    for network in tcan.networks:
        network.requires_grad_(False).eval()
    return tcan


def _no_prompt(preset: Preset) -> Tensor:
    """Return an uninitialized prompt embedding, (1, tokens, dim)."""
    text_encoder = preset.config_of.get("text_encoder") if preset.text == "prompt" else None
    tokens = int(text_encoder.get("max_position_embeddings", 77)) if text_encoder else 1
    return torch.empty(1, tokens, int(preset.parts["denoising_unet"].config["cross_attention_dim"]))


@contextmanager
def uninitialized_weights(dtype: torch.dtype) -> Iterator[None]:
    """Build networks inside the context in this dtype, without initializing their weights."""
    previous = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with no_init_weights():
            yield
    finally:
        torch.set_default_dtype(previous)
