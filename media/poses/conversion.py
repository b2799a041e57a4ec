"""Conversion of other joint layouts to OpenPose-18."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from media.poses.joints import NUM_JOINTS, Joint
from media.poses.layouts import BODY25_JOINTS

Floats = NDArray[np.float64]

# COCO-17: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles, each left before right.
_FROM_COCO17 = {
    Joint.NOSE: 0,
    Joint.LEFT_EYE: 1,
    Joint.RIGHT_EYE: 2,
    Joint.LEFT_EAR: 3,
    Joint.RIGHT_EAR: 4,
    Joint.LEFT_SHOULDER: 5,
    Joint.RIGHT_SHOULDER: 6,
    Joint.LEFT_ELBOW: 7,
    Joint.RIGHT_ELBOW: 8,
    Joint.LEFT_WRIST: 9,
    Joint.RIGHT_WRIST: 10,
    Joint.LEFT_HIP: 11,
    Joint.RIGHT_HIP: 12,
    Joint.LEFT_KNEE: 13,
    Joint.RIGHT_KNEE: 14,
    Joint.LEFT_ANKLE: 15,
    Joint.RIGHT_ANKLE: 16,
}


def from_body25(joints: Floats) -> Floats:
    """Convert OpenPose's BODY_25, (25, 3) x, y, confidence, to (18, 3); the feet are dropped."""
    return joints[list(BODY25_JOINTS)]


def from_coco17(joints: Floats) -> Floats:
    """Convert COCO's 17 keypoints, (17, 3) x, y, confidence, to (18, 3).

    The neck is the middle of the shoulders, with the lower one of their confidences. Confidence may
    be COCO's visibility flag: 1 (labelled, hidden) and 2 (visible) both become 1.
    """
    converted = np.zeros((NUM_JOINTS, 3))
    converted[list(_FROM_COCO17)] = joints[list(_FROM_COCO17.values())]
    converted[:, 2] = np.minimum(converted[:, 2], 1.0)
    left, right = converted[Joint.LEFT_SHOULDER], converted[Joint.RIGHT_SHOULDER]
    if left[2] > 0 and right[2] > 0:
        converted[Joint.NECK] = [*(left + right)[:2] / 2, min(left[2], right[2])]
    return converted
