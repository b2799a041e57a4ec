"""The body as a tree of bones with the neck as root; a bone is named after its outer joint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from media.poses.joints import NUM_JOINTS, Joint
from media.poses.keypoints import Pose

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

HEAD = [Joint.RIGHT_EYE, Joint.LEFT_EYE, Joint.RIGHT_EAR, Joint.LEFT_EAR]
_FULL_LENGTH = 0.9  # quantile; longer ones may be errors of the detector

# Parent of each joint, in order from the neck outwards.
PARENTS: dict[Joint, Joint] = {
    Joint.NOSE: Joint.NECK,
    Joint.RIGHT_SHOULDER: Joint.NECK,
    Joint.LEFT_SHOULDER: Joint.NECK,
    Joint.RIGHT_HIP: Joint.NECK,
    Joint.LEFT_HIP: Joint.NECK,
    Joint.RIGHT_EYE: Joint.NOSE,
    Joint.LEFT_EYE: Joint.NOSE,
    Joint.RIGHT_ELBOW: Joint.RIGHT_SHOULDER,
    Joint.LEFT_ELBOW: Joint.LEFT_SHOULDER,
    Joint.RIGHT_KNEE: Joint.RIGHT_HIP,
    Joint.LEFT_KNEE: Joint.LEFT_HIP,
    Joint.RIGHT_EAR: Joint.RIGHT_EYE,
    Joint.LEFT_EAR: Joint.LEFT_EYE,
    Joint.RIGHT_WRIST: Joint.RIGHT_ELBOW,
    Joint.LEFT_WRIST: Joint.LEFT_ELBOW,
    Joint.RIGHT_ANKLE: Joint.RIGHT_KNEE,
    Joint.LEFT_ANKLE: Joint.LEFT_KNEE,
}


def _other_side(joint: Joint) -> Joint:
    swap = {"RIGHT": "LEFT", "LEFT": "RIGHT"}
    side, _, part = joint.name.partition("_")
    return Joint[f"{swap[side]}_{part}"] if side in swap else joint


MIRROR = np.array([_other_side(joint) for joint in Joint])
_PARENT = np.array([PARENTS.get(joint, joint) for joint in Joint])


def stack_points(poses: Sequence[Pose]) -> Floats:
    """Return (frames, 18, 2) keypoints in pixels, NaN where a joint was not detected."""
    return np.stack([np.where(p.detected[:, None], p.keypoints, np.nan) for p in poses])


def detected_or_none(points: Floats) -> Floats | None:
    """Return hand or face points (n, 3), or None if no point was detected."""
    return points if (points[:, 2] > 0).any() else None


def bone_lengths(points: Floats, seen: Bools) -> Floats:
    """Measure every bone in every frame.

    Args:
        points: (frames, 18, 2) pixels; undetected joints are ignored.
        seen: (frames, 18), True where a joint was detected.

    Returns:
        (frames, 18) pixels at the bone's outer joint; NaN where an end was not detected, and at
        the neck.
    """
    detected = np.where(seen[..., None], points, np.nan)
    lengths: Floats = np.linalg.norm(detected - detected[:, _PARENT], axis=-1)
    lengths[:, Joint.NECK] = np.nan
    return lengths


def robust_lengths(lengths: Floats) -> Floats:
    """Return each bone's length without foreshortening, (18,): its 90 % quantile over the frames.

    Args:
        lengths: (frames, 18) pixels, NaN where unknown; a bone that is always unknown stays so.
    """
    robust = np.full(NUM_JOINTS, np.nan)
    known = ~np.isnan(lengths).all(axis=0)
    if known.any():
        robust[known] = np.nanquantile(lengths[:, known], _FULL_LENGTH, axis=0)
    return robust


def longest_of_pairs(lengths: Floats) -> Floats:
    """Return the longer of the left and the right bone for both, (18,); NaN where both are unknown.

    The bones of eyes and ears keep their own length: on a turned head both sides differ. If one is
    unknown, it gets the length of the other side.
    """
    other = lengths[MIRROR]
    longest = np.fmax(lengths, other)
    longest[HEAD] = np.where(np.isnan(lengths), other, lengths)[HEAD]
    return np.asarray(longest, np.float64)
