"""Fill short gaps."""

from __future__ import annotations

import numpy as np

from media.poses.joints import Joint
from tcan_core.conditioning.bones import PARENTS, Bools, Floats
from tcan_core.conditioning.cleaning.runs import runs


def fill_gaps(points: Floats, confidence: Floats, max_gap: int) -> Bools:
    """Interpolate joints over gaps of at most `max_gap` frames, in place.

    A gap is filled by the cubic that joins its ends with their speeds, or by a line where an end
    has no frame before (after) it to tell its speed. Longer gaps, and those at the beginning and at
    the end, stay; see `carry_ends` for the latter.

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


def carry_ends(points: Floats, confidence: Floats, max_frames: int) -> Bools:
    """Carry joints on over short gaps at the beginning and at the end of a video, in place.

    A joint keeps the place on its body that it has in the nearest frame that shows it: its bone's
    inner joint moves it along where that is known, nothing where it is not. A frame without anyone
    stays empty.

    Args:
        points: (frames, 18, 2) pixels, NaN where missing.
        confidence: (frames, 18); a carried joint takes that of the frame from which it comes.
        max_frames: the longest gap that is filled.

    Returns:
        (frames, 18), True where a joint was carried.
    """
    anyone: Bools = ~np.all(np.isnan(points[..., 0]), axis=1)
    carried = np.zeros(confidence.shape, dtype=np.bool_)
    for joint in (Joint.NECK, *PARENTS):  # from the neck outwards, so that the inner joint is known
        shown = np.flatnonzero(~np.isnan(points[:, joint, 0]))
        if not len(shown):
            continue
        first, last = int(shown[0]), int(shown[-1])
        for source, gap in ((first, range(first)), (last, range(last + 1, len(points)))):
            if len(gap) > max_frames:
                continue
            for frame in gap:
                if anyone[frame]:
                    points[frame, joint] = _carried(points, joint, source, frame)
                    confidence[frame, joint] = confidence[source, joint]
                    carried[frame, joint] = True
    return carried


def _carried(points: Floats, joint: Joint, source: int, frame: int) -> Floats:
    """Return the joint's place in `frame` from that in `source`, (2,)."""
    parent = PARENTS.get(joint, Joint.NECK)
    moved = points[frame, parent] - points[source, parent]
    return np.asarray(points[source, joint] + np.nan_to_num(moved), np.float64)


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
