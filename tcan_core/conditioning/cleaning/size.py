"""How large a body is in the picture."""

from __future__ import annotations

import numpy as np

from tcan_core.conditioning.bones import Floats

# A standing body is about this many times as high as its joints lie from their median.
_HEIGHTS_PER_SPREAD = 3.6


def body_heights(points: Floats) -> Floats:
    """Estimate a body's height in every frame from how far its joints spread.

    A few misplaced joints change it little.

    Args:
        points: (frames, 18, 2) pixels, NaN where not detected.

    Returns:
        (frames,) pixels, NaN with fewer than three joints.
    """
    heights = np.full(len(points), np.nan)
    enough = (~np.isnan(points[..., 0])).sum(axis=1) >= 3
    if enough.any():
        shown = points[enough]
        middle = np.nanmedian(shown, axis=1, keepdims=True)
        spread = np.nanmedian(np.linalg.norm(shown - middle, axis=-1), axis=1)
        heights[enough] = _HEIGHTS_PER_SPREAD * spread
    return heights


def typical_height(points: Floats) -> float:
    """Return the median of `body_heights`, or the largest extent where no frame tells; above 0."""
    heights = body_heights(points)
    told = heights[np.isfinite(heights) & (heights > 0)]
    if len(told):
        return float(np.median(told))
    known = points[~np.isnan(points[..., 0])]
    return max(float(np.ptp(known, axis=0).max()), 1.0) if len(known) else 1.0
