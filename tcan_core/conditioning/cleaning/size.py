"""Size of a body in the image."""

from __future__ import annotations

import numpy as np

from tcan_core.conditioning.bones import Floats

# Height of a standing body over the median distance of its joints from their centre.
_HEIGHTS_PER_SPREAD = 3.6


def body_heights(points: Floats) -> Floats:
    """Estimate the height of a body in every frame from the spread of its joints.

    The estimate is robust to a few misplaced joints.

    Args:
        points: (frames, 18, 2) pixels, NaN where not detected.

    Returns:
        (frames,) pixels, NaN with fewer than three joints.
    """
    heights = np.full(len(points), np.nan)
    enough = (~np.isnan(points[..., 0])).sum(axis=1) >= 3
    if enough.any():
        detected = points[enough]
        middle = np.nanmedian(detected, axis=1, keepdims=True)
        spread = np.nanmedian(np.linalg.norm(detected - middle, axis=-1), axis=1)
        heights[enough] = _HEIGHTS_PER_SPREAD * spread
    return heights


def typical_height(points: Floats) -> float:
    """Return the median of `body_heights`, or the largest extent if all are NaN; above 0."""
    heights = body_heights(points)
    valid = heights[np.isfinite(heights) & (heights > 0)]
    if len(valid):
        return float(np.median(valid))
    detected = points[~np.isnan(points[..., 0])]
    return max(float(np.ptp(detected, axis=0).max()), 1.0) if len(detected) else 1.0
