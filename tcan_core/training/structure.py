"""Differentiable structural similarity (SSIM)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from tcan_core.evaluation.metrics import SSIM_C1, SSIM_C2, SSIM_RADIUS, SSIM_SIGMA

LEVELS = 127.5  # of 255, per unit of -1..1


def structural_similarity(output: Tensor, images: Tensor) -> Tensor:
    """Return the mean structural similarity of two batches, at most 1, in float32.

    The window and the constants are those of `evaluation.metrics.ssim`; output is not clamped.

    Args:
        output: (batch, 3, height, width), about -1..1; both sides at least 11 pixels.
        images: true images of the same shape, in -1..1.

    Source: Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity.
    """
    with torch.autocast(images.device.type, enabled=False):  # bf16 loses small variances
        first, second = (
            (part.float().flatten(0, 1)[:, None] + 1) * LEVELS for part in (output, images)
        )
        products = torch.cat([first, second, first**2, second**2, first * second])
        mean_a, mean_b, square_a, square_b, product = _blur(products).chunk(5)
        variances = square_a - mean_a**2 + square_b - mean_b**2
        covariance = product - mean_a * mean_b
        similarity = (2 * mean_a * mean_b + SSIM_C1) * (2 * covariance + SSIM_C2)
        return (similarity / ((mean_a**2 + mean_b**2 + SSIM_C1) * (variances + SSIM_C2))).mean()


def _blur(planes: Tensor) -> Tensor:
    """Filter (n, 1, height, width) with the Gaussian window, without padding."""
    offsets = torch.arange(-SSIM_RADIUS, SSIM_RADIUS + 1, device=planes.device)
    window = torch.exp(-(offsets**2) / (2 * SSIM_SIGMA**2))
    window = window / window.sum()
    return F.conv2d(F.conv2d(planes, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))
