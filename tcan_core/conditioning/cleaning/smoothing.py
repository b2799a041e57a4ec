"""Take the jitter out of joints, and leave their motion alone."""

from __future__ import annotations

from math import comb

import numpy as np

from tcan_core.conditioning.bones import Floats
from tcan_core.conditioning.cleaning.runs import runs

_MEDIAN_TO_SIGMA = 1 / 0.6745
_ORDER = 6  # differences of this order hold next to nothing of a smooth motion
_ENOUGH = 12  # differences from which a joint's own jitter is told
_MOST_SIGMAS = 2.0


def smooth(points: Floats, window: int = 7, order: int = 2) -> Floats:
    """Smooth tracks by Savitzky-Golay, moving no joint further than its jitter reaches.

    A polynomial fitted to a few frames also flattens quick motion, which is worse than a little
    jitter. So each joint's jitter is measured first (robustly, from sixth differences over time),
    and no joint is moved by more than twice that. Clean tracks stay as they are.

    Args:
        points: (frames, joints, 2) pixels, NaN where missing.
        window: frames under the polynomial, odd. A stretch with fewer frames stays as it is.
        order: the polynomial's degree.

    Returns:
        (frames, joints, 2), NaN where it was.
    """
    smoothed = points.copy()
    reach = _MOST_SIGMAS * jitter(points)
    for joint in range(points.shape[1]):
        for start, stop in runs(~np.isnan(points[:, joint, 0])):
            if stop - start >= window and reach[joint] > 0:
                track = points[start:stop, joint]
                moved = _fit(track, window, order) - track
                smoothed[start:stop, joint] = track + np.clip(moved, -reach[joint], reach[joint])
    return smoothed


def jitter(points: Floats) -> Floats:
    """Estimate the standard deviation of each joint's noise over time.

    Args:
        points: (frames, joints, 2) pixels, NaN where missing.

    Returns:
        (joints,) pixels; a joint that is seen too briefly takes the median of the others.
    """
    joints = points.shape[1]
    sigmas = np.full(joints, np.nan)
    if len(points) > _ORDER:
        gain = np.sqrt(sum(comb(_ORDER, k) ** 2 for k in range(_ORDER + 1)))
        differences = np.abs(np.diff(points, n=_ORDER, axis=0)) / gain
        told = np.flatnonzero((~np.isnan(differences)).sum(axis=(0, 2)) >= _ENOUGH)
        for joint in told:
            sigmas[joint] = _MEDIAN_TO_SIGMA * np.nanmedian(differences[:, joint])
    known = sigmas[~np.isnan(sigmas)]
    return np.where(np.isnan(sigmas), np.median(known) if len(known) else 0.0, sigmas)


def _fit(track: Floats, window: int, order: int) -> Floats:
    """Return the Savitzky-Golay fit of (frames, 2); at the ends, the first and last polynomial."""
    half = window // 2
    powers = np.vander(np.arange(-half, half + 1), order + 1, increasing=True)
    projection = powers @ np.linalg.pinv(powers)
    windows = np.lib.stride_tricks.sliding_window_view(track, window, axis=0)
    fitted = np.einsum("nck,k->nc", windows, projection[half])
    head = projection[:half] @ track[:window]
    tail = projection[half + 1 :] @ track[-window:]
    return np.concatenate([head, fitted, tail])
