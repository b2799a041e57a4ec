"""Position of the neck, the root of a body, estimated when it was not detected."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from media.poses.joints import Joint
from media.poses.keypoints import Pose
from tcan_core.conditioning.bones import Bools, Floats

Indices = NDArray[np.intp]
SHOULDERS = (Joint.RIGHT_SHOULDER, Joint.LEFT_SHOULDER)
# Joints, or the middle of two, from which the neck can be estimated; the most reliable first.
ANCHORS: tuple[tuple[Joint, ...], ...] = (
    SHOULDERS,
    (Joint.RIGHT_SHOULDER,),
    (Joint.LEFT_SHOULDER,),
    (Joint.NOSE,),
    (Joint.RIGHT_HIP, Joint.LEFT_HIP),
    *((joint,) for joint in Joint if joint not in (*SHOULDERS, Joint.NECK, Joint.NOSE)),
)


def find_necks(points: Floats, seen: Bools) -> Floats:
    """Return the position of the neck in every frame.

    A neck that was not detected keeps its offset from another joint in the nearest frame that has
    both. Without such a frame it is between the shoulders, else at its position in the nearest
    frame that has one, else at the mean of the detected joints.

    Args:
        points: (frames, 18, 2) pixels; undetected joints are ignored.
        seen: (frames, 18).

    Returns:
        (frames, 2) pixels, always finite.
    """
    necks = np.where(seen[:, Joint.NECK, None], points[:, Joint.NECK], 0.0)
    has_neck = seen[:, Joint.NECK].copy()
    with_neck = has_neck.copy()
    for places, present, anchor in _anchors(points, seen):
        missing, both = np.flatnonzero(present & ~has_neck), np.flatnonzero(present & with_neck)
        if len(missing) and len(both):
            near = _nearest(missing, both)
            necks[missing] = places[missing] + points[near, Joint.NECK] - places[near]
        elif anchor == SHOULDERS:
            necks[missing] = places[missing]
        else:
            continue
        has_neck[missing] = True
    return _fill_missing(necks, has_neck, points, seen)


def reference_frame(seen: Bools) -> int:
    """Return the first frame with neck or shoulders, else the first with any joint."""
    reliable = seen[:, Joint.NECK] | seen[:, list(SHOULDERS)].all(axis=1)
    return int(np.argmax(reliable if reliable.any() else seen.any(axis=1)))


def source_neck(source: Pose, points: Floats, seen: Bools, necks: Floats, scale: float) -> Floats:
    """Return the source's neck, (2,) pixels, estimated from `points` if not detected.

    Args:
        points: (frames, 18, 2) joints of the driving person.
        seen: (frames, 18).
        necks: (frames, 2) necks of the driving person, see `find_necks`.
        scale: pixels of the source per pixel of the driving poses.
    """
    own_neck: Floats = source.keypoints[Joint.NECK]
    if source.detected[Joint.NECK]:
        return own_neck
    own_points, own_seen = source.keypoints[None], source.detected[None]
    driving = _anchors(points, seen)
    for (place, present, anchor), (places, shown, _) in zip(
        _anchors(own_points, own_seen), driving, strict=True
    ):
        if present[0] and (anchor == SHOULDERS or shown.any()):
            frame = int(np.argmax(shown))
            offset = 0.0 if anchor == SHOULDERS else (necks[frame] - places[frame]) * scale
            return np.asarray(place[0] + offset, np.float64)
    return _middle(source)


def _middle(source: Pose) -> Floats:
    """Return the mean of the source's detected joints, or the centre of its canvas."""
    if source.detected.any():
        return np.asarray(source.keypoints[source.detected].mean(axis=0), np.float64)
    height, width = source.canvas
    return np.array([width / 2, height / 2])


def _anchors(points: Floats, seen: Bools) -> Iterator[tuple[Floats, Bools, tuple[Joint, ...]]]:
    """Yield each anchor's positions (frames, 2), the frames that have it (frames,), its joints."""
    for anchor in ANCHORS:
        joints = list(anchor)
        present: Bools = np.asarray(seen[:, joints].all(axis=1))
        places = np.where(present[:, None, None], points[:, joints], 0.0).mean(axis=1)
        yield places, present, anchor


def _nearest(frames: Indices, candidates: Indices) -> Indices:
    """Return the nearest candidate of each frame; both arguments are sorted."""
    after = np.searchsorted(candidates, frames).clip(0, len(candidates) - 1)
    before = (after - 1).clip(0)
    nearer_before = frames - candidates[before] <= np.abs(candidates[after] - frames)
    return np.asarray(np.where(nearer_before, candidates[before], candidates[after]), np.intp)


def _fill_missing(necks: Floats, has_neck: Bools, points: Floats, seen: Bools) -> Floats:
    missing = np.flatnonzero(~has_neck)
    if has_neck.any():
        necks[missing] = necks[_nearest(missing, np.flatnonzero(has_neck))]
        return necks
    count = seen.sum(axis=1, keepdims=True)
    total = np.where(seen[..., None], points, 0.0).sum(axis=1)
    return np.asarray(total / np.maximum(count, 1), np.float64)
