"""Fill short gaps."""

from __future__ import annotations

import numpy as np

from tcan_core.conditioning.bones import Bools, Floats
from tcan_core.conditioning.cleaning.runs import runs


def fill_gaps(points: Floats, confidence: Floats, max_gap: int) -> Bools:
    """Interpolate joints over gaps of at most `max_gap` frames, in place.

    A gap is filled by the cubic that joins its ends with their speeds, or by a line where an end
    has no frame before (after) it to tell its speed. Gaps at the beginning and at the end, and
    longer ones, stay.

    Args:
        points: (frames, joints, 2) pixels, NaN where missing.
        confidence: (frames, joints); a filled joint takes the lower one of the gap's ends.
        max_gap: in frames.

    Returns:
        (frames, joints), True where a joint was filled in.
    """
    missing = np.isnan(points[..., 0])
    filled = np.zeros_like(missing)
    for joint in range(points.shape[1]):
        for start, stop in runs(missing[:, joint]):
            if start == 0 or stop == len(points) or stop - start > max_gap:
                continue
            points[start:stop, joint] = _bridge(points[:, joint], start - 1, stop)
            confidence[start:stop, joint] = confidence[[start - 1, stop], joint].min()
            filled[start:stop, joint] = True
    return filled


def _bridge(track: Floats, left: int, right: int) -> Floats:
    """Return the points strictly between two frames of one joint's track (frames, 2)."""
    span = right - left
    step = (track[right] - track[left]) / span
    at_left = _speed(track, left, -1, step)
    at_right = _speed(track, right, 1, step)
    s = (np.arange(1, span) / span)[:, None]
    line = track[left] + s * (track[right] - track[left])
    bend = s * (1 - s) * ((1 - s) * (at_left - step) - s * (at_right - step)) * span
    return np.asarray(line + bend, np.float64)


def _speed(track: Floats, end: int, outwards: int, otherwise: Floats) -> Floats:
    """Return pixels per frame at an end of a gap, from the two frames outside it."""
    outside = end + 2 * outwards
    if not 0 <= outside < len(track) or np.isnan(track[[end + outwards, outside]]).any():
        return otherwise
    return np.asarray((track[end] - track[outside]) / (end - outside), np.float64)
