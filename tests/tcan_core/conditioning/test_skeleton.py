"""Skeletons are drawn like the OpenPose ControlNet's training maps, on any canvas."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from media.poses.joints import LIMBS, Joint
from media.poses.keypoints import Pose, no_pose
from tcan_core.conditioning.skeleton import (
    COLORS,
    HAND_EDGES,
    LIMB_BRIGHTNESS,
    draw_people,
    draw_pose,
    draw_poses,
    hand_colors,
)
from tcan_core.models.weights.preset_sections import SkeletonStyle
from tcan_core.puppets.world import sample_scene
from tests.tcan_core.conditioning.make_poses import standing, with_random_gaps, without


def _at(picture: np.ndarray, point: np.ndarray) -> list[int]:
    x, y = point.astype(int)
    return [int(value) for value in picture[y, x]]


@pytest.fixture
def large() -> Pose:
    return standing(50.0, neck=(256.0, 130.0), canvas=(512, 512))


def test_every_joint_has_its_colour(large: Pose) -> None:
    skeleton = draw_pose(large)
    for joint in Joint:
        assert _at(skeleton, large.keypoints[joint]) == list(COLORS[joint])


def test_every_limb_has_its_dimmed_colour(large: Pose) -> None:
    skeleton = draw_pose(large)
    for (start, end), color in zip(LIMBS, COLORS, strict=False):
        middle = (large.keypoints[start] + large.keypoints[end]) / 2
        assert _at(skeleton, middle) == [int(LIMB_BRIGHTNESS * value) for value in color]


def test_limbs_are_eight_pixels_wide_on_the_training_canvas(large: Pose) -> None:
    legs = without(large, *(set(Joint) - {Joint.RIGHT_KNEE, Joint.RIGHT_ANKLE}))
    row = int(legs.keypoints[[Joint.RIGHT_KNEE, Joint.RIGHT_ANKLE], 1].mean())
    assert 8 <= int(draw_pose(legs)[row].any(axis=-1).sum()) <= 10


def test_limbs_of_a_missing_joint_are_not_drawn(large: Pose) -> None:
    skeleton = draw_pose(without(large, Joint.RIGHT_ELBOW, junk=np.nan))
    for other in (Joint.RIGHT_SHOULDER, Joint.RIGHT_WRIST):
        middle = (large.keypoints[Joint.RIGHT_ELBOW] + large.keypoints[other]) / 2
        assert _at(skeleton, middle) == [0, 0, 0]
    assert _at(skeleton, large.keypoints[Joint.RIGHT_WRIST]) == list(COLORS[Joint.RIGHT_WRIST])


@pytest.mark.parametrize("canvas", [(64, 64), (96, 48), (200, 300), (512, 768), (1024, 1024)])
def test_skeleton_is_scaled_to_any_canvas(large: Pose, canvas: tuple[int, int]) -> None:
    skeleton = draw_pose(large, canvas)
    assert skeleton.shape == (*canvas, 3) and skeleton.dtype == np.uint8
    covered = skeleton.any(axis=-1).mean()
    assert 0.5 < covered / draw_pose(large).any(axis=-1).mean() < 4
    hip = large.keypoints[Joint.LEFT_HIP] * [canvas[1] / 512, canvas[0] / 512]
    assert max(_at(skeleton, hip)) > 100


def test_map_without_a_person_is_black() -> None:
    assert not draw_pose(no_pose((48, 64))).any()


def test_people_outside_the_canvas_are_not_drawn(large: Pose) -> None:
    far = large.with_keypoints(large.keypoints + 1e6)
    assert not draw_pose(far).any()


def test_detected_hands_are_drawn(large: Pose) -> None:
    hand = np.tile([300.0, 20.0, 1.0], (21, 1))
    hand[10:] = (np.nan, np.nan, 0.0)
    assert draw_pose(replace(large, hand_left=hand))[20, 300].any()
    assert not draw_pose(large)[20, 300].any()


def test_hands_are_coloured_edges_under_blue_joints(large: Pose) -> None:
    hand = np.array([[20.0 + 24 * (i % 5), 20.0 + 24 * (i // 5), 1.0] for i in range(21)])
    skeleton = draw_pose(replace(large, hand_right=hand))
    expected = {0: [255, 0, 0], 5: [128, 255, 0], 10: [0, 255, 255], 15: [128, 0, 255]}
    for edge in (1, 2, 3):  # along the first row
        start, end = HAND_EDGES[edge]
        middle = (hand[start, :2] + hand[end, :2]) / 2
        assert _at(skeleton, middle) == list(hand_colors()[edge])
    assert {edge: list(hand_colors()[edge]) for edge in expected} == expected
    assert all(_at(skeleton, point) == [0, 0, 255] for point in hand[:, :2])
    assert HAND_EDGES[:5] == ((0, 1), (1, 2), (2, 3), (3, 4), (0, 5)) and len(HAND_EDGES) == 20


def test_faces_are_white_points(large: Pose) -> None:
    face = np.tile([300.0, 20.0, 1.0], (70, 1))
    face[10:] = (np.nan, np.nan, 0.0)
    skeleton = draw_pose(replace(large, face=face))
    assert _at(skeleton, face[0, :2]) == [255, 255, 255]
    assert (skeleton == 255).all(axis=-1).sum() == pytest.approx(np.pi * 3**2, abs=8)


def test_puppet_skeletons_have_not_changed_since_mini_was_trained() -> None:
    scene = sample_scene(1_000_000, num_frames=4, size=64)
    poses = scene.driving.poses(scene.motion)
    assert all(pose.hand_left is pose.hand_right is pose.face is None for pose in poses)
    digest = hashlib.sha256(draw_poses(poses).tobytes()).hexdigest()
    assert digest == "7d9132fdc4886822f0bfeec88882d774714913f9ed23f996fe6599abcf7ca96a"


def test_draw_poses_stacks_the_frames(large: Pose) -> None:
    random = np.random.default_rng(0)
    poses = [with_random_gaps(random, large, 0.3) for _ in range(3)]
    maps = draw_poses(poses, (64, 64))
    assert maps.shape == (3, 64, 64, 3)
    assert all(np.array_equal(m, draw_pose(p, (64, 64))) for m, p in zip(maps, poses, strict=True))


def test_all_people_of_a_frame_are_drawn(large: Pose) -> None:
    other = standing(20.0, neck=(60.0, 60.0), canvas=(512, 512))
    together = draw_people([large, other], (512, 512))
    both = draw_pose(large).any(axis=-1) | draw_pose(other).any(axis=-1)
    assert np.array_equal(together.any(axis=-1), both)
    assert not draw_people([], (8, 9)).any()


def test_a_style_swaps_red_and_blue(large: Pose) -> None:
    swapped = draw_pose(large, style=SkeletonStyle(swap_channels=True))

    assert np.array_equal(swapped, draw_pose(large)[..., ::-1])


def test_a_style_leaves_out_hands_and_face(large: Pose) -> None:
    points = np.column_stack([np.linspace(20, 60, 21), np.linspace(400, 480, 21), np.ones(21)])
    face = np.column_stack([np.linspace(400, 480, 68), np.full(68, 30.0), np.ones(68)])
    whole = replace(large, hand_left=points, face=face)

    bare = draw_pose(whole, style=SkeletonStyle(hands=False, face=False))

    assert np.array_equal(bare, draw_pose(large))
    assert not np.array_equal(draw_pose(whole, style=SkeletonStyle(face=False)), bare)


@pytest.mark.parametrize(("length", "half_width"), [(30, 4), (60, 5), (100, 6), (200, 7), (400, 8)])
def test_a_style_widens_limbs_by_their_length(length: int, half_width: int) -> None:
    joints = np.zeros((18, 2))
    joints[Joint.RIGHT_KNEE], joints[Joint.RIGHT_ANKLE] = (50.5, 256.5), (50.5 + length, 256.5)
    confidence = np.zeros(18)
    confidence[[Joint.RIGHT_KNEE, Joint.RIGHT_ANKLE]] = 1
    leg = Pose(joints, confidence, (512, 512))

    drawn = draw_pose(leg, style=SkeletonStyle(limb_width="length"))

    assert drawn[:, 50 + length // 2].any(axis=1).sum() == 2 * half_width + 1
