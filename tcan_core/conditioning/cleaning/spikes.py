"""Detection of spikes: single joints far from the path of their neighbours in time."""

from __future__ import annotations

import numpy as np

from tcan_core.conditioning.bones import Bools, Floats
from tcan_core.conditioning.cleaning.size import typical_height

_BEND = 0.12  # allowed distance from the line between the neighbours in time, in body heights
_BEND_SPARE = 5.0
_ENOUGH = 5  # detections with neighbours that are needed to know the usual motion
_NEIGHBOURS = 2  # detections on each side that are compared
_SPAN = 10  # frames; neighbours further apart are ignored
_PASSES = 3  # a spike can hide another one until the next pass


def find_spikes(points: Floats) -> Bools:
    """Find single detections that are far from the line between their neighbours in time.

    The two detections before and the two after are compared in pairs, also over gaps, so that
    neither a gap nor a second spike nearby hides one. A detection without near neighbours is kept,
    and so is one that is closer to the line than its neighbours are to each other: this is motion.

    Args:
        points: (frames, joints, 2) pixels, NaN where not detected.

    Returns:
        (frames, joints), True where a detection must be rejected.
    """
    rejected = np.zeros(points.shape[:2], dtype=np.bool_)
    limit = _BEND * typical_height(points)
    for joint in range(points.shape[1]):
        for _ in range(_PASSES):
            frames = np.flatnonzero(~np.isnan(points[:, joint, 0]) & ~rejected[:, joint])
            spikes = _spikes(points[frames, joint], frames.astype(np.float64), limit)
            if not spikes.any():
                break
            rejected[frames[spikes], joint] = True
    return rejected


def _spikes(track: Floats, times: Floats, limit: float) -> Bools:
    """Find the spikes of one joint's detections (n, 2) at frames (n,)."""
    distances = _line_distances(track, times)
    valid = distances[~np.isnan(distances)]
    if len(valid) < _ENOUGH:
        return np.zeros(len(track), dtype=np.bool_)
    around = np.pad(np.nan_to_num(distances), 1)
    peak = (distances >= around[:-2]) & (distances >= around[2:])
    spikes: Bools = (distances > max(limit, _BEND_SPARE * float(np.median(valid)))) & peak
    return spikes


def _line_distances(track: Floats, times: Floats) -> Floats:
    """Return the distance of each detection from the nearest line between neighbours, (n,).

    It is NaN at the ends, and 0 when the neighbours are further apart than that.
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
