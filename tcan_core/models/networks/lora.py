"""APPA (appearance-pose adaptation): LoRA on the denoising UNet's spatial attention, through peft.

Source: TCAN, arXiv 2407.09012; rank, alpha and initialisation from the official code.
"""

from __future__ import annotations

from collections.abc import Mapping

import peft
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor, nn

from tcan_core.models.weights.keys import check_keys

ADAPTER = "appa"
# Queries, keys and values of self- and cross-attention, but not of `motion_modules`.
TARGETS = r"(.*\.)?attentions\.\d+\..*attn[12]\.to_[qkv]"


def add_lora(unet: nn.Module, rank: int, alpha: int) -> None:
    """Add an APPA adapter, initialised as the identity."""
    config = peft.LoraConfig(
        r=rank, lora_alpha=alpha, init_lora_weights="gaussian", target_modules=TARGETS
    )
    peft.inject_adapter_in_model(config, unet, adapter_name=ADAPTER)


def lora_state(unet: nn.Module) -> dict[str, Tensor]:
    """Return the adapter's weights only."""
    state: dict[str, Tensor] = get_peft_model_state_dict(unet, adapter_name=ADAPTER)
    return state


def load_lora(unet: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load the adapter's weights.

    Raises:
        WeightsError: a key is missing or unexpected, or has another shape.
    """
    own = lora_state(unet)
    check_keys("lora", own, state)
    set_peft_model_state_dict(unet, dict(state), adapter_name=ADAPTER)


def merge_lora(unet: nn.Module) -> None:
    """Merge the adapter into the weights that it adapts, so that it costs nothing at inference."""
    for module in unet.modules():
        if isinstance(module, BaseTunerLayer):
            module.merge()
