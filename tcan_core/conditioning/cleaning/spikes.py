"""Find single joints that lie beside the path of their own neighbours in time."""

from __future__ import annotations

import numpy as np

from tcan_core.conditioning.bones import Bools, Floats
from tcan_core.conditioning.cleaning.size import typical_height

_BEND = 0.12  # body heights by which a joint may leave the line between its neighbours in time
_BEND_SPARE = 5.0
_ENOUGH = 5  # detections with neighbours from which a joint's usual motion is told
_NEIGHBOURS = 2  # detections on each side that are asked
_SPAN = 10  # frames; neighbours further apart say nothing
_PASSES = 3  # a spike that hid another is gone in the next pass


def find_spikes(points: Floats) -> Bools:
    """Find single detections that lie far beside the line between their neighbours in time.

    The two detections before and the two after are asked in pairs, over gaps too, so that neither
    a gap nor a second spike nearby hides one. Where no pair is near, and where the step through
    the detection is no longer than the way around it, it stays: that is motion.

    Args:
        points: (frames, joints, 2) pixels, NaN where not detected.

    Returns:
        (frames, joints), True where a detection is to be rejected.
    """
    found = np.zeros(points.shape[:2], dtype=np.bool_)
    limit = _BEND * typical_height(points)
    for joint in range(points.shape[1]):
        for _ in range(_PASSES):
            kept = np.flatnonzero(~np.isnan(points[:, joint, 0]) & ~found[:, joint])
            spikes = _spikes(points[kept, joint], kept.astype(np.float64), limit)
            if not spikes.any():
                break
            found[kept[spikes], joint] = True
    return found


def _spikes(track: Floats, times: Floats, limit: float) -> Bools:
    """Find the spikes of one joint's detections (n, 2) at frames (n,)."""
    beside = _beside(track, times)
    told = beside[~np.isnan(beside)]
    if len(told) < _ENOUGH:
        return np.zeros(len(track), dtype=np.bool_)
    around = np.pad(np.nan_to_num(beside), 1)
    peak = (beside >= around[:-2]) & (beside >= around[2:])
    found: Bools = (beside > max(limit, _BEND_SPARE * float(np.median(told)))) & peak
    return found


def _beside(track: Floats, times: Floats) -> Floats:
    """Return how far each detection is from the nearest of the lines between neighbours, (n,).

    NaN at the ends. The line that a step from one place to another crosses is left out.
    """
    count = len(track)
    nearest = np.full(count, np.nan)
    for before in range(1, _NEIGHBOURS + 1):
        for after in range(1, _NEIGHBOURS + 1):
            if before + after >= count:
                continue
            here = slice(before, count - after)
            left, right = track[: count - before - after], track[before + after :]
            start, stop = times[: count - before - after], times[before + after :]
            part = ((times[here] - start) / (stop - start))[:, None]
            away = np.linalg.norm(track[here] - (left + part * (right - left)), axis=-1)
            apart = np.linalg.norm(right - left, axis=-1)
            away = np.where(away > apart, away, 0.0)
            away[stop - start > _SPAN] = np.nan
            nearest[here] = np.fmin(nearest[here], away)
    return nearest
