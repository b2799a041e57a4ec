"""Expected keys and shapes of a preset's parts."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Size

from tcan_core.models.networks.lora import add_lora, lora_state
from tcan_core.models.networks.motion import TemporalControlNet, motion_state
from tcan_core.models.weights.builders import (
    build_controlnet,
    build_denoising_unet,
    build_part,
    controlnet_motion,
)
from tcan_core.models.weights.presets import Preset

Shapes = dict[str, Size]


def expected_shapes(preset: Preset, part: str) -> Shapes:
    """Return the shape of every weight of a part, without allocating them."""
    with torch.device("meta"):
        if part == "lora":
            unet = build_denoising_unet(preset)
            lora = preset.parts["lora"].config
            add_lora(unet, lora["rank"], lora["alpha"])
            return {key: value.shape for key, value in lora_state(unet).items()}
        if part == "controlnet_motion_modules":
            temporal = TemporalControlNet(build_controlnet(preset), controlnet_motion(preset))
            return {key: value.shape for key, value in motion_state(temporal).items()}
        network = build_part(preset, part)
    state = {} if network is None else network.state_dict()
    return {key: value.shape for key, value in state.items() if not key.endswith("pos_embed.pe")}


def unread_by_reference(preset: Preset, keys: Iterable[str]) -> set[str]:
    """Return the reference UNet's keys that do not affect the features read from it.

    The last feature read is the input of the last self-attention, so that attention and all later
    layers are unused. The official code's appearance encoder does not have them.
    """
    config = preset.parts["reference_unet"].config
    last_block = len(config["up_block_types"]) - 1
    last = f"up_blocks.{last_block}.attentions.{config.get('layers_per_block', 2)}."
    read = tuple(last + name for name in ("norm.", "proj_in.", "transformer_blocks.0.norm1."))
    later = ("conv_norm_out.", "conv_out.", last)
    return {key for key in keys if key.startswith(later) and not key.startswith(read)}
