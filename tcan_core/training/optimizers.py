"""Optimisers by name, and the learning rate over time."""

from __future__ import annotations

import math
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


def learning_rate(config: OptimizerConfig, step: int, steps: int) -> float:
    """Return the learning rate of a step: linear warm-up, then the schedule.

    Args:
        step: index of the step, from 0.
        steps: steps of the run.
    """
    warmup = min(1.0, (step + 1) / max(config.warmup_steps, 1))
    return config.learning_rate * warmup * _decay(config, step, steps)


def _decay(config: OptimizerConfig, step: int, steps: int) -> float:
    """Return the factor of the learning rate after warm-up, 0..1."""
    remaining, decay_steps = steps - step, config.decay_steps
    if config.schedule == "cosine":
        decay_steps = decay_steps or max(steps - config.warmup_steps, 1)
        return 0.5 - 0.5 * math.cos(math.pi * min(remaining / decay_steps, 1.0))
    return 1.0 if remaining >= decay_steps else 0.1 + 0.9 * remaining / decay_steps
