"""A short pose file whose content is known, and its forms in other layouts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from media.poses.joints import JOINT_ORDERS, Joint, Layout

BODY = "pose_keypoints_2d"
WIDTH, HEIGHT = 320, 480
_STANDING = {
    Joint.NOSE: (160, 80), Joint.NECK: (160, 130),
    Joint.RIGHT_SHOULDER: (120, 131), Joint.RIGHT_ELBOW: (100, 190), Joint.RIGHT_WRIST: (90, 250),
    Joint.LEFT_SHOULDER: (200, 129), Joint.LEFT_ELBOW: (221, 190), Joint.LEFT_WRIST: (232, 250),
    Joint.RIGHT_HIP: (135, 260), Joint.RIGHT_KNEE: (133, 340), Joint.RIGHT_ANKLE: (131, 420),
    Joint.LEFT_HIP: (185, 260), Joint.LEFT_KNEE: (187, 340), Joint.LEFT_ANKLE: (189, 420),
    Joint.RIGHT_EYE: (150, 70), Joint.LEFT_EYE: (170, 70),
    Joint.RIGHT_EAR: (140, 75), Joint.LEFT_EAR: (180, 75),
}  # fmt: skip
_MISSING = {0: Joint.LEFT_ANKLE, 2: Joint.RIGHT_EAR}


def _pose(step: int) -> NDArray[np.float64]:
    """Return (18, 3) x, y, confidence of a person who walks; some joints are missing."""
    pose = np.array([[*_STANDING[joint], 1.0] for joint in Joint])
    pose[:, 0] += 7.25 * step
    if step in _MISSING:
        pose[_MISSING[step]] = 0
    return pose


# The people of four frames; nobody is in the last.
TRUTH = [[_pose(0)], [_pose(1)], [_pose(2)], []]


def document() -> dict[str, Any]:
    """Return the plain pose file."""
    return {
        "fps": 12,
        "frames": [
            {
                "people": [{BODY: pose.ravel().tolist()} for pose in people],
                "canvas_width": WIDTH,
                "canvas_height": HEIGHT,
            }
            for people in TRUTH
        ],
    }


def points_of(person: dict[str, Any]) -> list[tuple[float, float, float]]:
    """Return x, y, confidence of each joint of a person in the plain file."""
    return [tuple(joint) for joint in np.reshape(person[BODY], (-1, 3)).tolist()]


def in_layout(points: list[tuple[float, float, float]], layout: Layout) -> list[float]:
    """Return the joints in another layout, with other points in the places that it adds."""
    order = JOINT_ORDERS[layout]
    joints = [[5.0, 6.0, 0.5]] * order.count
    for joint, index in enumerate(order.body):
        if index is not None:
            joints[index] = list(points[joint])
    return [number for joint in joints for number in joint]
