"""Conversion of COCO-WholeBody's 133 keypoints, the output of DWPose, to a `Pose`.

Their order: 17 of the body, 6 of the feet, 68 of the face, 21 of the left hand, 21 of the right.
"""

from __future__ import annotations

import numpy as np

from media.poses.conversion import to_openpose18
from media.poses.joints import NUM_FACE_JOINTS, Joint, Layout
from media.poses.keypoints import Pose
from tcan_core.conditioning.bones import Floats, detected_or_none

NUM_WHOLEBODY = 133
_BODY, _FACE = slice(0, 17), slice(23, 91)
_HAND_LEFT, _HAND_RIGHT = slice(91, 112), slice(112, 133)


def from_wholebody(points: Floats, canvas: tuple[int, int], min_confidence: float = 0.3) -> Pose:
    """Convert one person.

    The neck is the middle of the shoulders; OpenPose's pupils, which COCO does not have, get the
    positions of the eyes; the feet are dropped.

    Args:
        points: (133, 3) x, y in pixels of the canvas, confidence.
        canvas: (height, width).
        min_confidence: keypoints with less confidence count as not detected, 0..1.

    Raises:
        ValueError: the array has the wrong shape.
    """
    if points.shape != (NUM_WHOLEBODY, 3):
        raise ValueError(f"points have shape {points.shape}; they must be ({NUM_WHOLEBODY}, 3)")
    clean = points.copy()
    clean[:, 2] = np.where(clean[:, 2] < min_confidence, 0.0, clean[:, 2].clip(0.0, 1.0))
    body = np.reshape(to_openpose18(clean[_BODY].ravel().tolist(), Layout.COCO17), (-1, 3))
    pupils = body[[Joint.RIGHT_EYE, Joint.LEFT_EYE]]
    face = np.concatenate([clean[_FACE], pupils])
    assert len(face) == NUM_FACE_JOINTS
    return Pose(
        keypoints=body[:, :2],
        confidence=body[:, 2],
        canvas=canvas,
        hand_left=detected_or_none(clean[_HAND_LEFT]),
        hand_right=detected_or_none(clean[_HAND_RIGHT]),
        face=detected_or_none(face),
    )
