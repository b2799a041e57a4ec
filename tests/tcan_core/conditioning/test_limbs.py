"""A wrist that the detector mistook does not give the character long arms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from media.poses.joints import Joint
from media.poses.keypoints import Pose
from tcan_core.conditioning.bones import MIRROR, PARENTS, Floats, bone_lengths
from tcan_core.conditioning.limbs import limb_warnings
from tcan_core.conditioning.retarget import retarget
from tcan_core.pipelines.animate_files import prepare
from tests.tcan_core.conditioning.make_poses import moving, standing, without

FAR_SIDE = Joint.LEFT_EYE, Joint.LEFT_EAR
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


def bone_length_pairs(pose: Pose) -> Floats:
    """Return the length of the longer one of each bone and its counterpart, (18,)."""
    lengths = np.nan_to_num(bone_lengths(pose.keypoints[None], pose.detected[None])[0])
    return np.asarray(np.maximum(lengths, lengths[MIRROR]) + 1e-9, np.float64)


@pytest.mark.parametrize("times", [1.7, 2.5, 4.0])
@pytest.mark.parametrize("side", ["RIGHT", "LEFT"])
def test_any_bone_that_is_too_long_gets_the_length_of_the_other_side(
    side: str, times: float
) -> None:
    truth = bone_length_pairs(standing())
    for part in ("SHOULDER", "HIP", "ELBOW", "WRIST", "KNEE", "ANKLE"):
        joint = Joint[f"{side}_{part}"]
        keypoints = standing().keypoints.copy()
        inner = keypoints[PARENTS[joint]]
        keypoints[joint] = inner + times * (keypoints[joint] - inner)
        source = standing().with_keypoints(keypoints)
        assert limb_warnings(source)
        lengths = bone_length_pairs(retarget(source, [standing()] * 9)[0])
        assert lengths[joint] == pytest.approx(truth[joint])
        assert (lengths < 1.6 * truth).all()  # the next bone of a mistaken elbow, too


def test_bone_without_a_counterpart_that_is_far_too_long_is_not_used() -> None:
    source = moved(without(standing(), Joint.RIGHT_WRIST), Joint.LEFT_WRIST, 60)
    assert len(limb_warnings(source)) == 1
    for result in retarget(source, [standing()] * 9):
        assert np.allclose(result.keypoints, standing().keypoints)


def test_eyes_and_ears_of_a_turned_head_keep_their_lengths() -> None:
    keypoints = standing().keypoints.copy()
    nose, eye, ear = (keypoints[joint].copy() for joint in (Joint.NOSE, *FAR_SIDE))
    keypoints[Joint.LEFT_EYE] = nose + 0.4 * (eye - nose)
    keypoints[Joint.LEFT_EAR] = keypoints[Joint.LEFT_EYE] + 0.3 * (ear - eye)
    source = standing().with_keypoints(keypoints)
    assert limb_warnings(source) == []
    for result in retarget(source, [standing()] * 9):
        assert np.allclose(result.keypoints, keypoints)


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
