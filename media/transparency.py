"""Compositing of transparent images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def composite_over_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Composite an image with alpha over white.

    Args:
        rgba: (height, width, 4) uint8, straight alpha, 0 is transparent.

    Returns:
        (height, width, 3) uint8.
    """
    alpha = rgba[..., 3:].astype(np.uint32)
    if (alpha == 255).all():
        return np.ascontiguousarray(rgba[..., :3])
    mixed = rgba[..., :3] * alpha + 255 * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)
