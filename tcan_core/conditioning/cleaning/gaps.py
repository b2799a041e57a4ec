"""Filling of short gaps in detections."""

from __future__ import annotations

import numpy as np

from media.poses.joints import Joint
from tcan_core.conditioning.bones import PARENTS, Bools, Floats


def find_runs(flags: Bools) -> list[tuple[int, int]]:
    """Return (start, stop) of each run of True in (frames,)."""
    edges = np.flatnonzero(np.diff(np.pad(flags.astype(np.int8), 1)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def fill_gaps(points: Floats, confidence: Floats, max_gap: int) -> Bools:
    """Interpolate joints over gaps of at most `max_gap` frames, in place.

    A gap is filled by the cubic that matches position and speed at both ends, or by a line when
    the speed at an end is unknown. Longer gaps are not filled; `carry_ends` fills those at the
    beginning and the end of a video.

    Args:
        points: (frames, joints, 2) pixels, NaN where missing.
        confidence: (frames, joints); a filled joint gets the lower one of the gap's ends.
        max_gap: longest gap that is filled, in frames.

    Returns:
        (frames, joints), True where a joint was filled.
    """
    missing = np.isnan(points[..., 0])
    filled = np.zeros_like(missing)
    for joint in range(points.shape[1]):
        for start, stop in find_runs(missing[:, joint]):
            if start == 0 or stop == len(points) or stop - start > max_gap:
                continue
            points[start:stop, joint] = _bridge(points[:, joint], start - 1, stop)
            confidence[start:stop, joint] = confidence[[start - 1, stop], joint].min()
            filled[start:stop, joint] = True
    return filled


def find_blinks(points: Floats, min_frames: int) -> Bools:
    """Find joints that appear for a moment, in a person who is seen before and after.

    Such a joint would blink: it was missing for long, and will be again. `fill_gaps` has joined
    what short gaps separate.

    Args:
        points: (frames, 18, 2) pixels, NaN where missing.
        min_frames: detections in fewer frames than this are a blink.

    Returns:
        (frames, 18), True where a joint must be dropped.
    """
    seen: Bools = ~np.isnan(points[..., 0])
    has_person: Bools = np.asarray(seen.any(axis=1))
    blinks = np.zeros_like(seen)
    for joint in range(seen.shape[1]):
        for start, stop in find_runs(seen[:, joint]):
            is_inside = 0 < start and stop < len(seen) and has_person[[start - 1, stop]].all()
            blinks[start:stop, joint] = is_inside and stop - start < min_frames
    return blinks


def carry_ends(points: Floats, confidence: Floats, max_frames: int) -> Bools:
    """Extrapolate joints over short gaps at the beginning and at the end of a video, in place.

    A joint keeps its offset from its parent joint in the nearest frame that has it; without the
    parent it keeps its position. A frame without a person stays empty.

    Args:
        points: (frames, 18, 2) pixels, NaN where missing.
        confidence: (frames, 18); an extrapolated joint gets that of the nearest frame.
        max_frames: the longest gap that is filled.

    Returns:
        (frames, 18), True where a joint was extrapolated.
    """
    has_person: Bools = ~np.all(np.isnan(points[..., 0]), axis=1)
    extrapolated = np.zeros(confidence.shape, dtype=np.bool_)
    for joint in (Joint.NECK, *PARENTS):  # from the neck outwards: parents first
        detections = np.flatnonzero(~np.isnan(points[:, joint, 0]))
        if not len(detections):
            continue
        first, last = int(detections[0]), int(detections[-1])
        for source, gap in ((first, range(first)), (last, range(last + 1, len(points)))):
            if len(gap) > max_frames:
                continue
            for frame in gap:
                if has_person[frame]:
                    points[frame, joint] = _extrapolate(points, joint, source, frame)
                    confidence[frame, joint] = confidence[source, joint]
                    extrapolated[frame, joint] = True
    return extrapolated


def _extrapolate(points: Floats, joint: Joint, source: int, frame: int) -> Floats:
    """Return the joint's position in `frame`, extrapolated from `source`, (2,)."""
    parent = PARENTS.get(joint, Joint.NECK)
    offset = points[frame, parent] - points[source, parent]
    return np.asarray(points[source, joint] + np.nan_to_num(offset), np.float64)


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
    """Return the speed at an end of a gap, in pixels per frame, from the two frames outside it."""
    outside = end + 2 * outwards
    if not 0 <= outside < len(track) or np.isnan(track[[end + outwards, outside]]).any():
        return otherwise
    return np.asarray((track[end] - track[outside]) / (end - outside), np.float64)
