"""Conversion of COCO's joints to OpenPose-18."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from media.poses.joints import NUM_JOINTS, Joint

Floats = NDArray[np.float64]

# COCO-17: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles, each left before right.
_PARTS = ("EYE", "EAR", "SHOULDER", "ELBOW", "WRIST", "HIP", "KNEE", "ANKLE")
_COCO17 = [Joint.NOSE, *(Joint[f"{side}_{part}"] for part in _PARTS for side in ("LEFT", "RIGHT"))]


def from_coco17(joints: Floats) -> Floats:
    """Convert COCO's 17 keypoints, (17, 3) x, y, confidence, to (18, 3).

    The neck is the middle of the shoulders, with the lower one of their confidences. Confidence may
    be COCO's visibility flag: 1 (labelled, hidden) and 2 (visible) both become 1.
    """
    converted = np.zeros((NUM_JOINTS, 3))
    converted[_COCO17] = joints
    converted[:, 2] = np.minimum(converted[:, 2], 1.0)
    left, right = converted[Joint.LEFT_SHOULDER], converted[Joint.RIGHT_SHOULDER]
    if left[2] > 0 and right[2] > 0:
        converted[Joint.NECK] = [*(left + right)[:2] / 2, min(left[2], right[2])]
    return converted
