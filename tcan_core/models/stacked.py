"""LoRAs that a preset stacks on its UNets: merged into the weights when the model is loaded.

A file holds `<module>.lora_A.weight` (rank, in) and `<module>.lora_B.weight` (out, rank) for each
module that it changes; of convolutions likewise with a kernel. Its alpha is already in B. So
merging is a sum: W + weight * B A, which costs nothing at inference and has no order.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tcan_core.errors import WeightsError
from tcan_core.models.keys import read_safetensors
from tcan_core.models.presets import Preset

DOWN, UP = ".lora_A.weight", ".lora_B.weight"


def merge_stacked(preset: Preset, unets: Mapping[str, nn.Module]) -> None:
    """Merge every LoRA of the preset into the UNets that it names.

    Raises:
        WeightsError: a LoRA's file is missing, damaged, or does not fit.
    """
    for name, lora in preset.loras.items():
        path = preset.lora_file(name)
        if path is None or not path.exists():
            raise WeightsError(f"preset {preset.name}: no file for the LoRA {name}")
        state = read_safetensors(path, lora.sha256)
        for unet in lora.into:
            merge_into(unets[unet], state, lora.weight, f"LoRA {name}")


@torch.no_grad()
def merge_into(unet: nn.Module, state: Mapping[str, Tensor], weight: float, what: str) -> None:
    """Add `weight` times a LoRA to a UNet's weights.

    Raises:
        WeightsError: a module is not in the UNet, or has another shape.
    """
    for key, down in state.items():
        if not key.endswith(DOWN):
            continue
        module = key.removesuffix(DOWN)
        try:
            target = unet.get_parameter(f"{module}.weight")
            delta = state[module + UP].flatten(1) @ down.flatten(1)
            target.add_(delta.reshape(target.shape).to(target), alpha=weight)
        except (AttributeError, KeyError, RuntimeError) as error:
            raise WeightsError(f"{what}: {key} does not fit the UNet ({error})") from error
