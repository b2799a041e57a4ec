"""COCO-WholeBody's keypoints are converted to OpenPose's."""

from __future__ import annotations

import numpy as np
import pytest

from media.poses.joints import Joint
from tcan_core.conditioning.wholebody import from_wholebody

# Index of each joint in COCO's 17, by its name there.
COCO = [
    "NOSE", "LEFT_EYE", "RIGHT_EYE", "LEFT_EAR", "RIGHT_EAR", "LEFT_SHOULDER", "RIGHT_SHOULDER",
    "LEFT_ELBOW", "RIGHT_ELBOW", "LEFT_WRIST", "RIGHT_WRIST", "LEFT_HIP", "RIGHT_HIP", "LEFT_KNEE",
    "RIGHT_KNEE", "LEFT_ANKLE", "RIGHT_ANKLE",
]  # fmt: skip


def _numbered() -> np.ndarray:
    """Return points i at (i, 1000 + i), with confidence 0.4 + i / 1000."""
    index = np.arange(133.0)
    return np.column_stack([index, 1000 + index, 0.4 + index / 1000])


def test_every_body_joint_comes_from_the_same_joint() -> None:
    pose = from_wholebody(_numbered(), (480, 640))
    for index, name in enumerate(COCO):
        joint = Joint[name]
        assert pose.keypoints[joint].tolist() == [index, 1000 + index], name
        assert pose.confidence[joint] == 0.4 + index / 1000
    assert pose.canvas == (480, 640)


def test_neck_is_the_middle_of_the_shoulders() -> None:
    pose = from_wholebody(_numbered(), (480, 640))
    assert pose.keypoints[Joint.NECK].tolist() == [5.5, 1005.5]
    assert pose.confidence[Joint.NECK] == 0.4 + 5 / 1000


def test_hands_and_face_keep_their_order_and_pupils_are_the_eyes() -> None:
    points = _numbered()
    pose = from_wholebody(points, (480, 640))
    assert pose.face is not None and pose.hand_left is not None and pose.hand_right is not None
    np.testing.assert_array_equal(pose.face[:68], points[23:91])
    np.testing.assert_array_equal(pose.face[68:], points[[2, 1]])  # right, left
    np.testing.assert_array_equal(pose.hand_left, points[91:112])
    np.testing.assert_array_equal(pose.hand_right, points[112:133])


def test_low_confidence_is_not_detected() -> None:
    points = _numbered()
    points[5, 2] = 0.29  # the left shoulder, and with it the neck
    points[91:112, 2] = 0.0
    points[112, 2] = 3.0  # scores may overshoot
    pose = from_wholebody(points, (480, 640))
    missing = {Joint.LEFT_SHOULDER, Joint.NECK}
    assert {joint for joint in Joint if not pose.detected[joint]} == missing
    assert pose.hand_left is None
    assert pose.hand_right is not None and pose.hand_right[0, 2] == 1.0


def test_wrong_number_of_points_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"shape \(134, 3\); they must be \(133, 3\)"):
        from_wholebody(np.zeros((134, 3)), (1, 1))
