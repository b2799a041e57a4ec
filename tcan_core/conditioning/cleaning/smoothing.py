"""Smoothing of jitter without flattening motion."""

from __future__ import annotations

from math import comb

import numpy as np

from tcan_core.conditioning.bones import Floats
from tcan_core.conditioning.cleaning.gaps import find_runs

_MEDIAN_TO_SIGMA = 1 / 0.6745
_ORDER = 6  # smooth motion has almost no differences of this order
_ENOUGH = 12  # differences that are needed to estimate a joint's jitter
_MOST_SIGMAS = 2.0


def smooth(points: Floats, window: int = 7, order: int = 2) -> Floats:
    """Smooth tracks by Savitzky-Golay, moving each joint by at most twice its jitter.

    A polynomial fitted to a few frames also flattens fast motion, which is worse than a little
    jitter. So each joint's jitter is estimated first (robustly, from sixth differences over time)
    and limits its movement. Clean tracks are not changed.

    Args:
        points: (frames, joints, 2) pixels, NaN where missing.
        window: frames per polynomial, odd. Shorter runs are not smoothed.
        order: degree of the polynomial.

    Returns:
        (frames, joints, 2), NaN where it was.
    """
    smoothed = points.copy()
    reach = _MOST_SIGMAS * jitter(points)
    for joint in range(points.shape[1]):
        for start, stop in find_runs(~np.isnan(points[:, joint, 0])):
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
        (joints,) pixels; a joint with too few detections gets the median of the others.
    """
    joints = points.shape[1]
    sigmas = np.full(joints, np.nan)
    if len(points) > _ORDER:
        gain = np.sqrt(sum(comb(_ORDER, k) ** 2 for k in range(_ORDER + 1)))
        differences = np.abs(np.diff(points, n=_ORDER, axis=0)) / gain
        measurable = np.flatnonzero((~np.isnan(differences)).sum(axis=(0, 2)) >= _ENOUGH)
        for joint in measurable:
            sigmas[joint] = _MEDIAN_TO_SIGMA * np.nanmedian(differences[:, joint])
    measured = sigmas[~np.isnan(sigmas)]
    return np.where(np.isnan(sigmas), np.median(measured) if len(measured) else 0.0, sigmas)


def _fit(track: Floats, window: int, order: int) -> Floats:
    """Return the Savitzky-Golay fit of (frames, 2); the outer polynomials cover the ends."""
    half = window // 2
    powers = np.vander(np.arange(-half, half + 1), order + 1, increasing=True)
    projection = powers @ np.linalg.pinv(powers)
    windows = np.lib.stride_tricks.sliding_window_view(track, window, axis=0)
    fitted = np.einsum("nck,k->nc", windows, projection[half])
    head = projection[:half] @ track[:window]
    tail = projection[half + 1 :] @ track[-window:]
    return np.concatenate([head, fitted, tail])
