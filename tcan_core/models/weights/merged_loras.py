"""LoRAs that a preset stacks on its UNets: merged into the weights when the model is loaded.

A file holds `<module>.lora_A.weight` (rank, in) and `<module>.lora_B.weight` (out, rank) for each
module that it changes; of convolutions likewise with a kernel. Its alpha is already in B. So
merging is a sum: W + weight * B A, which costs nothing at inference and has no order.

Training sees the networks that inference runs, LoRAs merged (decision 0068).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tcan_core.errors import WeightsError
from tcan_core.models.weights.keys import read_safetensors
from tcan_core.models.weights.presets import Preset

DOWN, UP = ".lora_A.weight", ".lora_B.weight"


def merge_stacked(preset: Preset, unets: Mapping[str, nn.Module]) -> None:
    """Merge every LoRA of the preset into the UNets that it names.

    Raises:
        WeightsError: a LoRA's file is missing, damaged, or does not fit.
    """
    for name, unet in unets.items():
        _add(preset, name, unet.state_dict(), times=1.0)


def without_stacked(preset: Preset, name: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a trained UNet's weights as they are kept: `merge_stacked` adds the LoRAs again.

    Args:
        name: of the UNet.
        weights: with the LoRAs merged; they stay as they are.

    Raises:
        WeightsError: as `merge_stacked`.
    """
    if not any(name in lora.into for lora in preset.loras.values()):
        return weights
    kept = {key: value.detach().clone() for key, value in weights.items()}
    _add(preset, name, kept, times=-1.0)
    return kept


def _add(preset: Preset, unet: str, weights: Mapping[str, Tensor], times: float) -> None:
    """Add the preset's LoRAs for a UNet to its weights, in place."""
    for name, lora in preset.loras.items():
        if unet not in lora.into:
            continue
        path = preset.lora_file(name)
        if path is None or not path.exists():
            raise WeightsError(f"preset {preset.name}: no file for the LoRA {name}")
        state = read_safetensors(path, lora.sha256)
        merge_into(weights, state, times * lora.weight, f"LoRA {name}")


@torch.no_grad()
def merge_into(
    weights: Mapping[str, Tensor], state: Mapping[str, Tensor], weight: float, what: str
) -> None:
    """Add `weight` times a LoRA to a UNet's weights.

    Raises:
        WeightsError: a module is not in the UNet, or has another shape.
    """
    for key, down in state.items():
        if not key.endswith(DOWN):
            continue
        module = key.removesuffix(DOWN)
        try:
            target = weights[f"{module}.weight"]
            delta = state[module + UP].flatten(1).to(target) @ down.flatten(1).to(target)
            target.add_(delta.reshape(target.shape), alpha=weight)
        except (KeyError, RuntimeError) as error:
            raise WeightsError(f"{what}: {key} does not fit the UNet ({error})") from error
