"""Where the neck is, also where it was not detected: the root from which a body is built."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from media.poses.joints import Joint
from media.poses.keypoints import Pose
from tcan_core.conditioning.bones import Bools, Floats

Indices = NDArray[np.intp]
SHOULDERS = (Joint.RIGHT_SHOULDER, Joint.LEFT_SHOULDER)
# Joints, or the middle of two, from which the neck can be told; the surest first.
ANCHORS: tuple[tuple[Joint, ...], ...] = (
    SHOULDERS,
    (Joint.RIGHT_SHOULDER,),
    (Joint.LEFT_SHOULDER,),
    (Joint.NOSE,),
    (Joint.RIGHT_HIP, Joint.LEFT_HIP),
    *((joint,) for joint in Joint if joint not in (*SHOULDERS, Joint.NECK, Joint.NOSE)),
)


def find_necks(points: Floats, seen: Bools) -> Floats:
    """Tell the neck's place in every frame.

    Where the neck was not detected, it keeps the offset from another joint that it has in the
    nearest frame that shows both; without such a frame it lies between the shoulders, else where
    it was in the nearest frame that tells, else in the middle of what is seen.

    Args:
        points: (frames, 18, 2) pixels; undetected joints are not read.
        seen: (frames, 18).

    Returns:
        (frames, 2) pixels, always finite.
    """
    necks = np.where(seen[:, Joint.NECK, None], points[:, Joint.NECK], 0.0)
    told = seen[:, Joint.NECK].copy()
    with_neck = told.copy()
    for places, present, anchor in _anchors(points, seen):
        wanted, known = np.flatnonzero(present & ~told), np.flatnonzero(present & with_neck)
        if len(wanted) and len(known):
            near = _nearest(wanted, known)
            necks[wanted] = places[wanted] + points[near, Joint.NECK] - places[near]
        elif anchor == SHOULDERS:
            necks[wanted] = places[wanted]
        else:
            continue
        told[wanted] = True
    return _fill_untold(necks, told, points, seen)


def reference_frame(seen: Bools) -> int:
    """Return the first frame in which the neck's place is sure, else the first with any joint."""
    sure = seen[:, Joint.NECK] | seen[:, list(SHOULDERS)].all(axis=1)
    return int(np.argmax(sure if sure.any() else seen.any(axis=1)))


def source_neck(source: Pose, points: Floats, seen: Bools, necks: Floats, scale: float) -> Floats:
    """Tell the source's neck, (2,) pixels, from the driver's build where it was not detected.

    Args:
        source: the source character.
        points: (frames, 18, 2) the driver's joints.
        seen: (frames, 18).
        necks: (frames, 2) the driver's necks, see `find_necks`.
        scale: source pixels to a driver's pixel.
    """
    own_neck: Floats = source.keypoints[Joint.NECK]
    if source.detected[Joint.NECK]:
        return own_neck
    own_points, own_seen = source.keypoints[None], source.detected[None]
    drivers = _anchors(points, seen)
    for (place, present, anchor), (places, shown, _) in zip(
        _anchors(own_points, own_seen), drivers, strict=True
    ):
        if present[0] and (anchor == SHOULDERS or shown.any()):
            frame = int(np.argmax(shown))
            offset = 0.0 if anchor == SHOULDERS else (necks[frame] - places[frame]) * scale
            return np.asarray(place[0] + offset, np.float64)
    return _middle(source)


def _middle(source: Pose) -> Floats:
    """Return the middle of what the source shows, or of its canvas."""
    if source.detected.any():
        return np.asarray(source.keypoints[source.detected].mean(axis=0), np.float64)
    height, width = source.canvas
    return np.array([width / 2, height / 2])


def _anchors(points: Floats, seen: Bools) -> Iterator[tuple[Floats, Bools, tuple[Joint, ...]]]:
    """Yield each anchor's places (frames, 2), the frames that show it (frames,), and its joints."""
    for anchor in ANCHORS:
        joints = list(anchor)
        present: Bools = np.asarray(seen[:, joints].all(axis=1))
        places = np.where(present[:, None, None], points[:, joints], 0.0).mean(axis=1)
        yield places, present, anchor


def _nearest(wanted: Indices, known: Indices) -> Indices:
    """Return for each frame wanted the nearest known one; both ascend."""
    after = np.searchsorted(known, wanted).clip(0, len(known) - 1)
    before = (after - 1).clip(0)
    nearer_before = wanted - known[before] <= np.abs(known[after] - wanted)
    return np.asarray(np.where(nearer_before, known[before], known[after]), np.intp)


def _fill_untold(necks: Floats, told: Bools, points: Floats, seen: Bools) -> Floats:
    untold = np.flatnonzero(~told)
    if told.any():
        necks[untold] = necks[_nearest(untold, np.flatnonzero(told))]
        return necks
    count = seen.sum(axis=1, keepdims=True)
    total = np.where(seen[..., None], points, 0.0).sum(axis=1)
    return np.asarray(total / np.maximum(count, 1), np.float64)
