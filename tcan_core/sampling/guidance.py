"""Classifier-free guidance. The unconditional half has no reference, but does have pose and
temperature map."""

from __future__ import annotations

import math

from torch import Tensor

from tcan_core.errors import ParameterError


def needs_guidance(guidance_scale: float) -> bool:
    """Return whether an unconditional half must be computed; at scale 1 it would cancel out, at
    twice the cost.

    Raises:
        ParameterError: the scale is negative or not finite.
    """
    if not (math.isfinite(guidance_scale) and guidance_scale >= 0):
        raise ParameterError(
            f"guidance_scale is {guidance_scale}; it must be a finite number of at least 0"
        )
    return guidance_scale != 1.0


def combine(noise_pred_uncond: Tensor, noise_pred_cond: Tensor, guidance_scale: float) -> Tensor:
    """Return `uncond + scale * (cond - uncond)`, of the halves' shape.

    Linear, so epsilon, velocity and sample predictions give the same result.
    """
    return noise_pred_uncond + guidance_scale * (noise_pred_cond - noise_pred_uncond)
