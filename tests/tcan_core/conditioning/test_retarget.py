"""Retargeted poses have the source's bone lengths and the directions of the driving poses."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from media.poses.joints import Joint
from media.poses.keypoints import Pose, no_pose
from tcan_core.conditioning.retarget import retarget
from tests.tcan_core.conditioning.make_poses import (
    NUM_BONES,
    STANDING_DIRECTIONS,
    STANDING_LENGTHS,
    TREE,
    TWINS,
    Floats,
    build,
    moving,
    random_lengths,
    random_motion,
    standing,
    with_random_gaps,
    without,
)

SEEDS = range(8)


def assert_same(poses: list[Pose], expected: list[Pose], atol: float = 1e-9) -> None:
    assert len(poses) == len(expected)
    for pose, truth in zip(poses, expected, strict=True):
        assert np.array_equal(pose.detected, truth.detected)
        assert np.allclose(
            pose.keypoints[truth.detected], truth.keypoints[truth.detected], atol=atol
        )


@pytest.mark.parametrize("seed", SEEDS)
def test_source_bones_follow_the_driving_motion(seed: int) -> None:
    random = np.random.default_rng(seed)
    own, driving_lengths = (random_lengths(random, unit, 0.96) for unit in (12.0, 25.0))
    directions, path = random_motion(random, 20)
    source = build(own, STANDING_DIRECTIONS, (60.0, 41.0), (128, 96))
    driving = [build(driving_lengths, d, n) for d, n in zip(directions, path, strict=True)]

    result = retarget(source, driving, "full")

    necks = np.array([60.0, 41.0]) + (path - path[0]) * own[0] / driving_lengths[0]
    assert_same(result, [build(own, d, n) for d, n in zip(directions, necks, strict=True)])
    assert {pose.canvas for pose in result} == {(128, 96)}


@pytest.mark.parametrize("seed", SEEDS)
def test_foreshortening_is_kept(seed: int) -> None:
    random = np.random.default_rng(seed)
    own, driving_lengths = (random_lengths(random, least=0.96) for _ in range(2))
    directions, path = random_motion(random, 20)
    seen_part = random.uniform(0.0, 1.0, (20, NUM_BONES))
    seen_part[::5] = 1.0  # one of five frames is without foreshortening, and a few are too long:
    seen_part[7] = 1.6
    driving = [
        build(driving_lengths * part, d, n)
        for part, d, n in zip(seen_part, directions, path, strict=True)
    ]
    source = build(own, STANDING_DIRECTIONS)

    result = retarget(source, driving, "full")

    factors = np.clip(seen_part, 0, 1.1)
    necks = source.keypoints[Joint.NECK] + (path - path[0]) * own[0] / driving_lengths[0]
    frames = zip(factors, directions, necks, strict=True)
    assert_same(result, [build(own * factor, d, n) for factor, d, n in frames])


def test_bones_get_the_longer_length_of_both_sides_but_for_eyes_and_ears() -> None:
    random = np.random.default_rng(0)
    uneven = 20 * STANDING_LENGTHS * random.uniform(0.65, 1.0, NUM_BONES)
    driving = moving(random, lengths=20 * STANDING_LENGTHS)

    result = retarget(build(uneven, STANDING_DIRECTIONS), driving)

    expected = np.maximum(uneven, uneven[TWINS])
    head = [index for index, bone in enumerate(TREE) if "EYE" in bone[1].name + bone[0].name]
    expected[head] = uneven[head]  # of a turned head, one side is shorter
    assert _lengths(result[0]) == pytest.approx(expected)


def test_figure_that_drives_itself_is_not_changed() -> None:
    driving = moving(np.random.default_rng(1), lengths=20 * STANDING_LENGTHS)
    assert_same(retarget(driving[0], driving), driving)


def test_size_of_the_driving_canvas_does_not_matter() -> None:
    source = standing(9.0)
    driving = moving(np.random.default_rng(2))
    larger = [replace(p, keypoints=3 * p.keypoints, canvas=(768, 768)) for p in driving]
    assert_same(retarget(source, larger), retarget(source, driving))


def test_no_frames_give_no_frames() -> None:
    assert retarget(standing(), []) == []


@pytest.mark.parametrize("joint", [joint for joint in Joint if joint is not Joint.NECK])
def test_missing_joint_is_missing_without_harm_to_others(joint: Joint) -> None:
    source, driving = standing(13.0), moving(np.random.default_rng(3))
    complete = retarget(source, driving)
    driving[7] = without(driving[7], joint)

    result = retarget(source, driving)

    below = _below(joint)
    assert result[7].confidence[joint] == 0
    assert (result[7].keypoints[joint] == 0).all()
    others = [j for j in Joint if j not in below]
    assert np.allclose(result[7].keypoints[others], complete[7].keypoints[others])
    assert_same(result[:7] + result[8:], complete[:7] + complete[8:])
    # Children of the missing joint are near their expected positions.
    on_it = sorted(below - {joint})
    assert np.abs(result[7].keypoints[on_it] - complete[7].keypoints[on_it]).max(initial=0) < 13


def test_wrist_without_elbow_keeps_direction_and_distance() -> None:
    source, driving = standing(10.0), standing(30.0)
    (result,) = retarget(source, [without(driving, Joint.RIGHT_ELBOW)])
    assert np.allclose(
        result.keypoints[Joint.RIGHT_WRIST], source.keypoints[Joint.RIGHT_WRIST], atol=1
    )


def test_missing_neck_is_estimated_from_other_joints() -> None:
    source, driving = standing(13.0), moving(np.random.default_rng(4))
    complete = retarget(source, driving)
    for frame in (0, 9, 23):
        driving[frame] = without(driving[frame], Joint.NECK)

    result = retarget(source, driving)

    for frame in (0, 9, 23):
        assert result[frame].confidence[Joint.NECK] == 0
        others = [joint for joint in Joint if joint is not Joint.NECK]
        off = np.abs(result[frame].keypoints[others] - complete[frame].keypoints[others])
        assert off.max() < 8


def test_driving_poses_without_necks_still_move() -> None:
    driving = [without(pose, Joint.NECK) for pose in moving(np.random.default_rng(5))]
    result = retarget(standing(13.0), driving)
    assert all(pose.detected.sum() == 17 for pose in result)
    _assert_sound(result)


@pytest.mark.parametrize("side", ["RIGHT", "LEFT"])
def test_missing_source_joint_gets_the_length_of_the_other_side(side: str) -> None:
    own = random_lengths(np.random.default_rng(6))
    driving = moving(np.random.default_rng(7))
    source = build(own, STANDING_DIRECTIONS)
    complete = retarget(source, driving)
    for part in ("WRIST", "ANKLE", "EAR", "KNEE"):
        assert_same(retarget(without(source, Joint[f"{side}_{part}"]), driving), complete)


def test_missing_source_limb_gets_the_scaled_driving_length() -> None:
    source = without(standing(10.0), *_below(Joint.RIGHT_KNEE), *_below(Joint.LEFT_KNEE))
    (result,) = retarget(source, [standing(30.0)])
    assert np.allclose(result.keypoints, standing(10.0).keypoints)


def test_missing_source_neck_is_estimated_from_the_driving_poses() -> None:
    whole = standing(10.0)
    for joints in ([Joint.NECK], [Joint.NECK, Joint.RIGHT_SHOULDER, Joint.LEFT_SHOULDER]):
        (result,) = retarget(without(whole, *joints), [standing(30.0)])
        assert np.allclose(result.keypoints, whole.keypoints, atol=3)


@pytest.mark.parametrize("degenerate", ["source", "driving", "both"])
def test_degenerate_nose_bone_uses_the_scale_of_the_torso(degenerate: str) -> None:
    flat = STANDING_LENGTHS.copy()
    flat[0] = 0.0
    own = 10 * (flat if degenerate != "driving" else STANDING_LENGTHS)
    driving_lengths = 30 * (flat if degenerate != "source" else STANDING_LENGTHS)
    path = np.array([[100.0, 100.0], [130.0, 100.0]])
    driving = [build(driving_lengths, STANDING_DIRECTIONS, neck) for neck in path]

    result = retarget(build(own, STANDING_DIRECTIONS), driving)

    moved = result[1].keypoints[Joint.NECK] - result[0].keypoints[Joint.NECK]
    assert np.allclose(moved, [10.0, 0.0])
    _assert_sound(result)


def test_scale_comes_from_shoulders_without_nose_and_hips() -> None:
    lost = (Joint.NOSE, Joint.RIGHT_HIP, Joint.LEFT_HIP)
    driving = [without(standing(30.0, neck=(x, 90.0)), *lost) for x in (100.0, 130.0)]
    result = retarget(without(standing(10.0), *lost), driving)
    assert np.allclose(result[1].keypoints[Joint.NECK] - result[0].keypoints[Joint.NECK], [10, 0])


def test_figures_without_common_bones_are_scaled_by_canvas() -> None:
    arms = [j for j in Joint if "ELBOW" in j.name or "WRIST" in j.name]
    source = without(standing(10.0, canvas=(128, 128)), *(set(Joint) - set(arms)))
    driving = [without(standing(30.0), *arms)] * 2
    _assert_sound(retarget(source, driving))


@pytest.mark.parametrize("seed", range(60))
def test_any_missing_joints_give_a_valid_pose(seed: int) -> None:
    random = np.random.default_rng(seed)
    parts = random.choice([0.0, 0.3, 0.7, 0.95, 1.0], 2)
    source = with_random_gaps(random, standing(17.0), parts[0])
    driving = [with_random_gaps(random, pose, parts[1]) for pose in moving(random, 12)]

    result = retarget(source, driving)

    _assert_sound(result)
    for pose, driving_pose in zip(result, driving, strict=True):
        assert np.array_equal(pose.confidence, driving_pose.confidence)


def test_coordinates_of_undetected_joints_are_never_used() -> None:
    random = np.random.default_rng(8)
    lost = [np.flatnonzero(random.random(18) < 0.4) for _ in range(13)]
    driving = moving(random, 12)
    results = []
    for junk in (np.nan, -1.0, 1e6):
        source = without(standing(17.0), *lost[12], junk=junk)
        holes = [without(p, *joints, junk=junk) for p, joints in zip(driving, lost, strict=False)]
        results.append(retarget(source, holes))
    assert_same(results[0], results[1], atol=0)
    assert_same(results[0], results[2], atol=0)


def test_frames_without_a_person_stay_empty() -> None:
    driving = moving(np.random.default_rng(9), 5)
    complete = retarget(standing(), driving)
    result = retarget(standing(), [no_pose((256, 256)), *driving, no_pose((256, 256))])
    assert not result[0].detected.any() and not result[-1].detected.any()
    assert_same(result[1:-1], complete)


def test_hands_follow_the_wrist_in_the_scale_of_the_forearm() -> None:
    driving = standing(30.0)
    wrist = driving.keypoints[Joint.LEFT_WRIST]
    hand = np.concatenate([wrist + np.arange(42).reshape(21, 2), np.ones((21, 1))], axis=1)
    hand[4] = (np.nan, np.nan, 0.0)
    (result,) = retarget(standing(10.0), [replace(driving, hand_left=hand)])

    assert result.hand_right is None and result.hand_left is not None
    expected = result.keypoints[Joint.LEFT_WRIST] + np.arange(42).reshape(21, 2) / 3
    detected = hand[:, 2] > 0
    assert np.allclose(result.hand_left[detected, :2], expected[detected])
    assert result.hand_left[4].tolist() == [0, 0, 0]


def test_hand_without_its_wrist_is_dropped() -> None:
    driving = replace(standing(30.0), hand_right=np.ones((21, 3)), hand_left=np.ones((21, 3)))
    (result,) = retarget(standing(), [without(driving, Joint.RIGHT_WRIST)])
    assert result.hand_right is None and result.hand_left is not None


@pytest.mark.parametrize("lost", [[], [Joint.NOSE]])
def test_face_follows_the_head(lost: list[Joint]) -> None:
    driving = standing(30.0)
    face = np.concatenate(
        [driving.keypoints[[0] * 70] + np.arange(70)[:, None], np.ones((70, 1))], 1
    )
    (result,) = retarget(standing(10.0), [without(replace(driving, face=face), *lost)])
    nose = standing(10.0).keypoints[Joint.NOSE]
    assert result.face is not None
    assert np.allclose(
        result.face[:, :2], nose + np.arange(70)[:, None] / 3, atol=1e-6 + 3 * len(lost)
    )


def _neck_path(poses: list[Pose]) -> Floats:
    necks = np.array([pose.keypoints[Joint.NECK] for pose in poses])
    return np.asarray(np.linalg.norm(necks - necks[0], axis=1), np.float64)


def test_scale_does_not_depend_on_where_the_video_starts() -> None:
    """A person of real proportions walks, turns and bows, which shortens all bones in turn."""
    random = np.random.default_rng(11)
    real = 20 * STANDING_LENGTHS * 1.3
    real[0] = 20.0
    time = np.linspace(0, 6 * np.pi, 120)[:, None]
    short = 0.55 + 0.45 * np.cos(time + random.uniform(0, 6, NUM_BONES))
    driving = [
        build(real * part, STANDING_DIRECTIONS, (100.0 + index, 80.0))
        for index, part in enumerate(short)
    ]
    source = build(1.5 * real, STANDING_DIRECTIONS, (200.0, 80.0), (400, 600))

    scales = []
    for start in range(0, 80, 4):
        path = _neck_path(retarget(source, driving[start:], "full"))
        scales.append(path[-1] / (119 - start))

    assert max(scales) / min(scales) < 1.04
    assert np.median(scales) == pytest.approx(1.5, rel=0.06)


def test_driver_in_profile_keeps_narrow_shoulders() -> None:
    shoulders = [index for index, bone in enumerate(TREE) if "SHOULDER" in bone[1].name]
    front = 25 * STANDING_LENGTHS
    profile = front.copy()
    profile[shoulders] *= 0.2
    for turns, widest in ((True, 0.25), (False, 0.5)):
        driving = [
            build(front if turns and index >= 20 else profile, STANDING_DIRECTIONS)
            for index in range(40)
        ]
        first = _lengths(retarget(standing(10.0), driving)[0])
        assert (first[shoulders] / 8.5 < widest).all()
        assert first[0] == pytest.approx(10.0)


def test_person_who_comes_nearer_has_the_size_of_the_source_at_first() -> None:
    driving = [standing(unit) for unit in np.linspace(10.0, 16.0, 60)]
    first, *_, last = retarget(standing(16.0), driving)
    assert _lengths(first) == pytest.approx(_lengths(standing(16.0)), rel=0.1)
    assert _lengths(last) == pytest.approx(1.1 * _lengths(standing(16.0)), rel=0.01)


@pytest.mark.slow
def test_four_hundred_frames_take_milliseconds() -> None:
    source, driving = standing(), moving(np.random.default_rng(10), 400)
    retarget(source, driving[:2])
    start = time.thread_time()
    retarget(source, driving)
    assert time.thread_time() - start < 0.2


def _lengths(pose: Pose) -> Floats:
    inner = pose.keypoints[[bone[0] for bone in TREE]]
    outer = pose.keypoints[[bone[1] for bone in TREE]]
    return np.asarray(np.linalg.norm(outer - inner, axis=1), np.float64)


def _below(joint: Joint) -> set[Joint]:
    joints = {joint}
    for inner, outer, _, _ in TREE:
        if inner in joints:
            joints.add(outer)
    return joints


def _assert_sound(poses: list[Pose]) -> None:
    for pose in poses:
        assert np.isfinite(pose.keypoints).all()
        assert np.abs(pose.keypoints).max() < 10_000
