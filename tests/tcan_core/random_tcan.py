"""A whole model with random weights, at any widths and in any type, built without a second copy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from diffusers.models.modeling_utils import no_init_weights
from torch import Tensor, nn

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
from tcan_core.models.motion import TemporalControlNet, add_motion
from tcan_core.models.presets import Preset, load_preset
from tcan_core.models.tcan import Tcan

WIDE = Path(__file__).parent / "wide" / "preset.yaml"


def wide_preset() -> Preset:
    """SD 1.5's form at widths (128, 256, 512, 512), for 128x128 pixels."""
    return load_preset(str(WIDE))


@contextmanager
def building_in(dtype: torch.dtype) -> Iterator[None]:
    """Networks built in this block are of this type from the start, and their weights unset."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with no_init_weights():
            yield
    finally:
        torch.set_default_dtype(before)


def random_tcan(preset: Preset, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tcan:
    """Build a preset's model, frozen; every weight is random, zeroed layers included."""
    generator = torch.Generator().manual_seed(seed)
    with building_in(dtype):
        unet = add_motion(build_denoising_unet(preset), build_motion_adapter(preset))
        randomize(unet, generator)
        controlnet = TemporalControlNet(build_controlnet(preset), controlnet_motion(preset))
        randomize(controlnet.to(dtype), generator)
        reference_unet = build_reference_unet(preset)
        randomize(reference_unet, generator)
        codec = build_codec(preset)
        randomize(codec, generator)
    tcan = Tcan(codec, unet, reference_unet, controlnet, _prompt(preset, dtype, generator))
    for network in tcan.networks:
        network.requires_grad_(False).eval()
    return tcan


@torch.no_grad()
def randomize(network: nn.Module, generator: torch.Generator) -> None:
    """Draw every weight so that signals keep their size: scaled by the inputs of a layer."""
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if isinstance(module, nn.GroupNorm | nn.LayerNorm):
                parameter.fill_(1.0 if name == "weight" else 0.0)
            elif parameter.ndim < 2:
                parameter.zero_()
            else:
                parameter.normal_(0, parameter[0].numel() ** -0.5, generator=generator)


def _prompt(preset: Preset, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    with building_in(dtype):
        text_encoder = build_text_encoder(preset)
    if text_encoder is None:
        return constant_prompt(preset).to(dtype)
    randomize(text_encoder, generator)
    return empty_prompt(text_encoder)
