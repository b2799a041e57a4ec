"""A complete model with random weights, at any widths and in any type, without a second copy."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from tcan_core.models.networks.tcan import Tcan
from tcan_core.models.weights.builders import build_text_encoder, constant_prompt, empty_prompt
from tcan_core.models.weights.meta_model import uninitialized_tcan, uninitialized_weights
from tcan_core.models.weights.presets import Preset, load_preset

NUM_RANDOM = 999_983  # a prime
WIDE = Path(__file__).parent / "wide" / "preset.yaml"


def wide_preset() -> Preset:
    """Load a preset like SD 1.5 with widths (128, 256, 512, 512), for 128x128 pixels."""
    return load_preset(str(WIDE))


def random_tcan(preset: Preset, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tcan:
    """Build a preset's model, frozen, with random weights also in zero-initialized layers."""
    generator = torch.Generator().manual_seed(seed)
    tcan = uninitialized_tcan(preset, dtype)
    for network in tcan.networks:
        randomize(network, generator)
    tcan.prompt = _prompt(preset, dtype, generator)
    return tcan


@torch.no_grad()
def randomize(network: nn.Module, generator: torch.Generator) -> None:
    """Set random weights, scaled by the inputs of each layer so that signals keep their size.

    Layers repeat random numbers that are drawn once, since drawing billions would take minutes. No
    side of a layer divides their period.
    """
    drawn = torch.randn(NUM_RANDOM, generator=generator)
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if isinstance(module, nn.GroupNorm | nn.LayerNorm):
                parameter.fill_(1.0 if name == "weight" else 0.0)
            elif parameter.ndim < 2:
                parameter.zero_()
            else:
                scaled = drawn.to(parameter.dtype) * parameter[0].numel() ** -0.5
                for part in torch.split(parameter.view(-1), NUM_RANDOM):
                    part.copy_(scaled[: len(part)])


def _prompt(preset: Preset, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    with uninitialized_weights(dtype):
        text_encoder = build_text_encoder(preset)
    if text_encoder is None:
        return constant_prompt(preset).to(dtype)
    randomize(text_encoder, generator)
    return empty_prompt(text_encoder)
