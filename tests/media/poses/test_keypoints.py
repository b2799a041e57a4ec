"""A pose validates its arrays."""

from __future__ import annotations

import numpy as np
import pytest

from media.poses.joints import LIMBS, NUM_JOINTS, Joint
from media.poses.keypoints import Pose, no_pose
from tcan_core.conditioning.bones import MIRROR, PARENTS

CANVAS = (48, 64)


def test_joints_and_limbs_match_openpose() -> None:
    assert [joint.name for joint in Joint][:5] == [
        "NOSE",
        "NECK",
        "RIGHT_SHOULDER",
        "RIGHT_ELBOW",
        "RIGHT_WRIST",
    ]
    assert NUM_JOINTS == 18 and len(LIMBS) == 17
    # Limbs in the drawing order of controlnet-aux, counted from 1, without two limbs to the ears.
    counted = [[2, 3], [2, 6], [3, 4], [4, 5], [6, 7], [7, 8], [2, 9], [9, 10], [10, 11], [2, 12]]
    counted += [[12, 13], [13, 14], [2, 1], [1, 15], [15, 17], [1, 16], [16, 18]]
    assert [[start + 1, end + 1] for start, end in LIMBS] == counted


def test_limbs_match_the_bone_tree() -> None:
    assert {(parent, joint) for joint, parent in PARENTS.items()} == set(LIMBS)
    placed = {Joint.NECK}
    for joint, parent in PARENTS.items():
        assert parent in placed, "a parent comes before its children"
        placed.add(joint)


def test_mirror_swaps_sides() -> None:
    assert MIRROR[MIRROR].tolist() == list(range(18))
    assert MIRROR[Joint.NOSE] == Joint.NOSE
    assert MIRROR[Joint.LEFT_WRIST] == Joint.RIGHT_WRIST


def test_joints_with_confidence_are_detected() -> None:
    pose = Pose(np.full((18, 2), np.nan), np.zeros(18), CANVAS)
    assert not pose.detected.any()
    confidence = np.zeros(18)
    confidence[3] = 0.01
    assert Pose(np.ones((18, 2)), confidence, CANVAS).detected.nonzero()[0].tolist() == [3]


def test_lists_become_arrays() -> None:
    pose = Pose(keypoints=[[1, 2]] * 18, confidence=[1] * 18, canvas=CANVAS)  # type: ignore[arg-type]
    assert pose.keypoints.dtype == pose.confidence.dtype == np.float64


def test_no_pose_has_no_detected_joint() -> None:
    assert no_pose(CANVAS).canvas == CANVAS
    assert not no_pose(CANVAS).detected.any()


def test_with_keypoints_keeps_the_other_fields() -> None:
    pose = Pose(np.ones((18, 2)), np.ones(18), CANVAS, hand_left=np.ones((21, 3)))
    moved = pose.with_keypoints(pose.keypoints + 1)
    assert (moved.keypoints == 2).all() and moved.hand_left is pose.hand_left


@pytest.mark.parametrize(
    ("keypoints", "confidence", "message"),
    [
        (np.zeros((17, 2)), np.ones(18), r"keypoints have shape \(17, 2\)"),
        (np.zeros((18, 3)), np.ones(18), r"keypoints have shape \(18, 3\)"),
        (np.zeros((18, 2)), np.ones(17), r"confidence has shape \(17,\)"),
        (np.zeros((18, 2)), np.full(18, 1.5), r"confidence is 1\.5\.\.1\.5"),
        (np.zeros((18, 2)), np.full(18, -0.5), r"confidence is -0\.5"),
        (np.zeros((18, 2)), np.full(18, np.nan), r"confidence is nan"),
        (np.full((18, 2), np.nan), np.ones(18), r"not a finite number"),
    ],
)
def test_invalid_arrays_are_rejected(
    keypoints: np.ndarray, confidence: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Pose(keypoints, confidence, CANVAS)
