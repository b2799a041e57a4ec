"""Optimisers by name."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tcan_core.errors import ConfigError
from tcan_core.training.config import OptimizerConfig


def build_optimizer(
    parameters: list[nn.Parameter], config: OptimizerConfig, device: str
) -> torch.optim.Optimizer:
    """Return AdamW over these parameters, with moments in 32 or 8 bits.

    Raises:
        ConfigError: 8-bit moments are requested without bitsandbytes or without a GPU.
    """
    options: dict[str, Any] = {
        "lr": config.learning_rate,
        "betas": config.betas,
        "eps": config.epsilon,
        "weight_decay": config.weight_decay,
    }
    if config.name == "adamw":
        return torch.optim.AdamW(parameters, foreach=True, **options)
    if device == "cpu":
        raise ConfigError("optimizer 'adamw8bit' needs a GPU, but device is 'cpu'; use 'adamw'")
    try:
        from bitsandbytes.optim import AdamW8bit  # type: ignore[import-not-found]
    except ImportError as error:
        raise ConfigError(
            "optimizer 'adamw8bit' needs bitsandbytes, which is not installed; "
            "run pip install 'tcan[cuda]', or use 'adamw'"
        ) from error
    optimizer: torch.optim.Optimizer = AdamW8bit(parameters, **options)
    return optimizer
