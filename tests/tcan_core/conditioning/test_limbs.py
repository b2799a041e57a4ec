"""A wrist that the detector mistook does not give the character long arms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from media.poses.joints import Joint
from media.poses.keypoints import Pose
from tcan_core.conditioning.limbs import limb_warnings
from tcan_core.conditioning.retarget import retarget
from tcan_core.pipelines.animate_files import prepare
from tests.tcan_core.conditioning.make_poses import moving, standing

CASE = Path(__file__).parents[2] / "cases" / "gorilla-arms"


def moved(pose: Pose, joint: Joint, away: float) -> Pose:
    """Return the pose with a joint moved down by a number of pixels."""
    keypoints = pose.keypoints.copy()
    keypoints[joint, 1] += away
    return pose.with_keypoints(keypoints)


@pytest.mark.parametrize(
    ("joint", "name"),
    [
        (Joint.LEFT_WRIST, "left forearm"),
        (Joint.RIGHT_WRIST, "right forearm"),
        (Joint.LEFT_ANKLE, "left shin"),
    ],
)
def test_mistaken_bone_gets_the_length_of_the_other_side(joint: Joint, name: str) -> None:
    driving = moving(np.random.default_rng(3))
    source = moved(standing(), joint, 60)
    result, expected = retarget(source, driving), retarget(standing(), driving)
    for pose, truth in zip(result, expected, strict=True):
        assert np.allclose(pose.keypoints, truth.keypoints)
    [warning] = limb_warnings(source)
    assert warning.startswith(f"the {name} in the image's pose is too long to be true")


def test_foreshortened_and_uneven_bones_are_kept() -> None:
    source = standing()
    assert limb_warnings(source) == []
    shortened = moved(source, Joint.RIGHT_WRIST, -15)  # 9 px in place of 24
    assert limb_warnings(shortened) == []
    driving = moving(np.random.default_rng(4))
    for pose, truth in zip(retarget(shortened, driving), retarget(source, driving), strict=True):
        assert np.allclose(pose.keypoints, truth.keypoints)


def test_wrist_found_behind_the_character_does_not_lengthen_its_arms() -> None:
    prepared = prepare(CASE / "wide128x64.png", CASE / "driving.mp4")
    assert prepared.warnings == [
        "the left forearm in the image's pose is too long to be true, and its length is not used;"
        " check the pose, or give another one"
    ]
    assert prepared.source_pose is not None
    for pose in retarget(prepared.source_pose, prepared.poses):
        for side in ("LEFT", "RIGHT"):
            hand = pose.keypoints[[Joint[f"{side}_ELBOW"], Joint[f"{side}_WRIST"]]]
            assert np.linalg.norm(hand[1] - hand[0]) < 9  # 25 px by the mistaken wrist
