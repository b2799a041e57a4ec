"""Cleaning repairs detection errors and keeps correct poses."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from media.poses.joints import Joint
from media.poses.keypoints import Pose, no_pose
from tcan_core.conditioning.cleaning.clean import CleanedPoses, clean_poses
from tcan_core.conditioning.cleaning.settings import CleaningSettings
from tcan_core.errors import NoPersonError, ParameterError
from tcan_core.evaluation.pose_errors import PoseErrors, with_errors
from tcan_core.puppets.world import sample_scene
from tests.tcan_core.conditioning.make_poses import moving, standing, without

OFF = CleaningSettings(
    choose_person=False, reject_jumps=False, fill_gaps=False, smooth=False, min_shown_s=0
)


def _alone(poses: list[Pose]) -> list[list[Pose]]:
    return [[pose] for pose in poses]


def _clean(poses: list[Pose], settings: CleaningSettings | None = None) -> CleanedPoses:
    return clean_poses(_alone(poses), settings)


def _error(poses: list[Pose], truth: list[Pose]) -> float:
    """Return the mean distance of detected joints from the truth, in pixels."""
    apart = [
        np.linalg.norm(pose.keypoints - true.keypoints, axis=1)[pose.detected]
        for pose, true in zip(poses, truth, strict=True)
    ]
    return float(np.concatenate(apart).mean())


def _moved(pose: Pose, joint: Joint, by: tuple[float, float]) -> Pose:
    points = pose.keypoints.copy()
    points[joint] += by
    return pose.with_keypoints(points)


@pytest.mark.parametrize("seed", range(1_000_000, 1_000_020))
def test_true_poses_of_puppets_are_not_changed(seed: int) -> None:
    scene = sample_scene(seed, num_frames=24, size=64)
    poses = scene.driving.poses(scene.motion)

    cleaned = _clean(poses)

    assert _error(cleaned.poses, poses) < 0.05
    furthest = [
        np.abs(p.keypoints - t.keypoints).max() for p, t in zip(cleaned.poses, poses, strict=True)
    ]
    assert max(furthest) < 0.5
    assert not cleaned.report.rejected and not cleaned.report.filled
    assert cleaned.report.warnings() == []


@pytest.mark.parametrize("sigma", [0.5, 1.0, 3.0])
def test_jitter_is_smoothed(sigma: float) -> None:
    random = np.random.default_rng(0)
    truth = moving(random, 48)
    noisy = [p.with_keypoints(p.keypoints + random.normal(0, sigma, (18, 2))) for p in truth]
    assert _error(_clean(noisy).poses, truth) < 0.75 * _error(noisy, truth)


def test_dropped_joints_are_filled() -> None:
    random = np.random.default_rng(1)
    truth = moving(random, 40)
    broken = list(truth)
    wrist, ankle = Joint.RIGHT_WRIST, Joint.LEFT_ANKLE
    for frame, joint in [(5, wrist), (6, wrist), (7, wrist), (20, 0), (21, 0), (30, ankle)]:
        broken[frame] = without(broken[frame], joint, junk=np.nan)

    cleaned = _clean(broken)

    assert all(pose.detected.all() for pose in cleaned.poses)
    assert _error(cleaned.poses, truth) < 0.2
    expected = {"nose": 2, "right_wrist": 3, "left_ankle": 1}
    assert cleaned.report.missing == cleaned.report.filled == expected
    assert cleaned.report.left_missing == {}


def test_frame_without_a_person_is_filled() -> None:
    truth = moving(np.random.default_rng(2), 30)
    frames = _alone(truth)
    frames[10] = []
    frames[20] = [no_pose((256, 256))]

    cleaned = clean_poses(frames)

    assert cleaned.report.frames_without_person == [10, 20]
    assert cleaned.report.frames_left_empty == []
    assert _error(cleaned.poses, truth) < 0.5


def test_long_gaps_are_not_filled() -> None:
    truth = moving(np.random.default_rng(3), 40)
    gaps = {Joint.LEFT_WRIST: range(10, 19), Joint.NOSE: range(5), Joint.NECK: range(34, 40)}
    broken = [
        without(pose, *(joint for joint, gap in gaps.items() if i in gap))
        for i, pose in enumerate(truth)
    ]
    cleaned = _clean(broken)
    assert cleaned.report.left_missing == {"nose": 5, "neck": 6, "left_wrist": 9}
    assert cleaned.report.filled == {}


def test_short_gaps_at_the_ends_follow_the_body() -> None:
    truth = moving(np.random.default_rng(3), 40)
    gaps = {Joint.LEFT_WRIST: range(3), Joint.NOSE: range(38, 40)}
    broken = [
        without(pose, *(joint for joint, gap in gaps.items() if i in gap))
        for i, pose in enumerate(truth)
    ]
    cleaned = _clean(broken)
    assert cleaned.report.filled == {"left_wrist": 3, "nose": 2}
    assert cleaned.report.left_missing == {}
    before, after = cleaned.poses[3], cleaned.poses[0]
    offset = after.keypoints[Joint.LEFT_WRIST] - after.keypoints[Joint.LEFT_ELBOW]
    expected = before.keypoints[Joint.LEFT_WRIST] - before.keypoints[Joint.LEFT_ELBOW]
    assert np.linalg.norm(offset - expected) < 0.5


@pytest.mark.parametrize("seed", range(3))
def test_dropped_and_misplaced_joints_are_repaired(seed: int) -> None:
    scene = sample_scene(1_000_100 + seed, num_frames=24, size=64)
    truth = scene.driving.poses(scene.motion)
    broken = with_errors(truth, PoseErrors(drop=0.3, throw=0.05), seed)
    cleaned = _clean(broken)
    assert _error(broken, truth) > 1.0
    assert _error(cleaned.poses, truth) < 0.35
    assert sum(cleaned.report.left_missing.values()) < 0.02 * 18 * 24


def test_filled_joint_has_the_lower_confidence_of_its_neighbours() -> None:
    poses = [replace(p, confidence=np.full(18, 0.4)) for p in moving(np.random.default_rng(4), 12)]
    poses[5] = without(poses[5], Joint.NOSE)
    assert _clean(poses).poses[5].confidence[Joint.NOSE] == 0.4


@pytest.mark.parametrize("frames", [1, 2, 4, 7])
@pytest.mark.parametrize("first", [0, 11, 25])
def test_impossible_jumps_are_rejected(frames: int, first: int) -> None:
    truth = moving(np.random.default_rng(5), 40)
    broken = list(truth)
    last = min(first + (frames if first else min(frames, 3)), 40)
    for index in range(first, last):
        broken[index] = _moved(broken[index], Joint.RIGHT_WRIST, (90.0, -70.0))

    cleaned = _clean(broken, CleaningSettings(fill_gaps=False))

    assert cleaned.report.rejected == {"right_wrist": last - first}
    assert not any(cleaned.poses[i].detected[Joint.RIGHT_WRIST] for i in range(first, last))
    assert _error(cleaned.poses, truth) < 0.2


def test_rejected_jumps_are_filled_like_gaps() -> None:
    truth = moving(np.random.default_rng(6), 30)
    broken = list(truth)
    broken[14] = _moved(broken[14], Joint.LEFT_ANKLE, (0.0, 60.0))
    cleaned = _clean(broken)
    assert cleaned.report.rejected == cleaned.report.filled == {"left_ankle": 1}
    assert _error(cleaned.poses, truth) < 0.1


def test_permanent_change_of_position_is_kept() -> None:
    before, after = standing(neck=(60.0, 80.0)), standing(neck=(190.0, 80.0))
    cleaned = _clean([before] * 20 + [after] * 20)
    assert cleaned.report.rejected == {}
    assert np.allclose(cleaned.poses[0].keypoints, before.keypoints)
    assert np.allclose(cleaned.poses[-1].keypoints, after.keypoints)


def test_fast_motion_at_a_low_frame_rate_is_kept() -> None:
    swing = [(70 * np.cos(2 * np.pi * i / 6), 70 * np.sin(2 * np.pi * i / 6)) for i in range(30)]
    poses = [_moved(standing(), Joint.LEFT_WRIST, by) for by in swing]
    assert _clean(poses).report.rejected == {}


def _blinking(fps: float, seconds: float = 4.0) -> list[Pose]:
    """Return a still person whose wrists and ankles are detected now and then, for a moment."""
    random = np.random.default_rng(13)
    shown = np.zeros((round(seconds * fps), 18), np.bool_)
    for joint in (Joint.LEFT_WRIST, Joint.RIGHT_WRIST, Joint.LEFT_ANKLE, Joint.RIGHT_ANKLE):
        time = 0.0
        while time < seconds:
            on, off = random.uniform(0.03, 0.15), random.uniform(0.05, 0.6)
            shown[round(time * fps) : max(round((time + on) * fps), 1), joint] = True
            time += on + off
    shown[:, : Joint.RIGHT_WRIST] = True
    return [without(standing(), *np.flatnonzero(~row)) for row in shown]


def _switches_per_s(poses: list[Pose], fps: float) -> float:
    """Return how often the most restless joint appears or disappears in a second."""
    seen = np.stack([pose.detected for pose in poses])
    return float(np.abs(np.diff(seen.astype(int), axis=0)).sum(axis=0).max() * fps / len(poses))


@pytest.mark.parametrize("fps", [12.0, 25.0, 60.0])
def test_joints_do_not_blink_at_any_frame_rate(fps: float) -> None:
    blinking = _blinking(fps)
    assert _switches_per_s(blinking, fps) > 4

    cleaned = clean_poses(_alone(blinking), fps=fps)

    assert _switches_per_s(cleaned.poses, fps) < 2
    assert cleaned.report.blinked
    kept = clean_poses(_alone(blinking), CleaningSettings(min_shown_s=0), fps)
    assert not kept.report.blinked


def test_person_who_is_seen_for_a_moment_is_kept() -> None:
    truth = moving(np.random.default_rng(14), 40)
    frames = [[pose] if index in (20, 21) else [] for index, pose in enumerate(truth)]
    cleaned = clean_poses(frames)
    assert [index for index, pose in enumerate(cleaned.poses) if pose.detected.all()] == [20, 21]


@pytest.mark.parametrize("fps", [12.0, 25.0, 60.0])
def test_gaps_are_filled_by_time(fps: float) -> None:
    """A third of a second is a short gap at any rate, half a second a long one."""
    frames = round(3 * fps)
    for seconds, expected in ((0.3, 0), (0.5, 1)):
        gap = range(round(fps), round(fps) + round(seconds * fps))
        poses = [
            without(standing(), Joint.LEFT_WRIST) if index in gap else standing()
            for index in range(frames)
        ]
        report = clean_poses(_alone(poses), fps=fps).report
        assert bool(report.left_missing) == bool(expected), seconds


def test_each_step_can_be_disabled() -> None:
    random = np.random.default_rng(7)
    poses = [
        p.with_keypoints(p.keypoints + random.normal(0, 2, (18, 2))) for p in moving(random, 30)
    ]
    poses[8] = without(poses[8], Joint.NOSE)
    poses[15] = _moved(poses[15], Joint.NECK, (100.0, 0.0))
    frames = [[standing(3.0), pose] for pose in poses]

    untouched = clean_poses(frames, OFF).poses
    assert all(np.array_equal(pose.keypoints, frames[0][0].keypoints) for pose in untouched)

    chosen = clean_poses(frames, replace(OFF, choose_person=True))
    assert all(
        np.array_equal(a.keypoints[1:], b.keypoints[1:])
        for a, b in zip(chosen.poses, poses, strict=True)
    )
    rejecting = clean_poses(frames, replace(OFF, choose_person=True, reject_jumps=True))
    assert rejecting.report.rejected == {"neck": 1} and rejecting.report.filled == {}
    filling = clean_poses(frames, replace(OFF, choose_person=True, fill_gaps=True))
    assert filling.report.filled == {"nose": 1} and filling.report.rejected == {}
    smoothing = clean_poses(frames, replace(OFF, choose_person=True, smooth=True))
    assert not np.array_equal(smoothing.poses[3].keypoints, poses[3].keypoints)


def test_joints_with_low_confidence_count_as_missing() -> None:
    poses = [replace(p, confidence=np.full(18, 0.3)) for p in moving(np.random.default_rng(8), 9)]
    assert _clean(poses).poses[0].detected.all()
    with pytest.raises(NoPersonError):
        _clean(poses, CleaningSettings(min_confidence=0.5))


@pytest.mark.parametrize("frames", [[], [[]], [[], [no_pose((64, 64))]]])
def test_video_without_a_person_is_rejected(frames: list[list[Pose]]) -> None:
    with pytest.raises(NoPersonError, match=f"in any of the {len(frames)} driving frames"):
        clean_poses(frames)


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_short_videos_are_not_changed(count: int) -> None:
    poses = moving(np.random.default_rng(9), count)
    cleaned = _clean(poses)
    for pose, truth in zip(cleaned.poses, poses, strict=True):
        assert np.allclose(pose.keypoints, truth.keypoints)


def test_hands_follow_their_wrist_or_are_dropped() -> None:
    random = np.random.default_rng(10)
    truth = moving(random, 20)
    hand = np.ones((21, 3))
    poses = [replace(p, hand_left=hand, hand_right=hand, face=np.ones((70, 3))) for p in truth]
    poses[9] = _moved(poses[9], Joint.LEFT_WRIST, (90.0, 0.0))
    poses = [p.with_keypoints(p.keypoints + random.normal(0, 1, (18, 2))) for p in poses]

    cleaned = _clean(poses)

    assert cleaned.poses[9].hand_left is None
    shift = cleaned.poses[5].keypoints - poses[5].keypoints
    for part, joint in (("hand_left", 7), ("hand_right", 4), ("face", 0)):
        carried = getattr(cleaned.poses[5], part)
        assert np.allclose(carried[:, :2], 1 + shift[joint])
        assert (carried[:, 2] == 1).all()


def test_report_is_json_serializable() -> None:
    poses = moving(np.random.default_rng(11), 20)
    frames = [[pose, standing(6.0, neck=(30.0, 30.0))] for pose in poses]
    frames[4] = []
    for index in range(10):
        frames[index + 10][0] = without(frames[index + 10][0], Joint.LEFT_EAR)

    report = clean_poses(frames).report

    assert json.loads(json.dumps(asdict(report))) == asdict(report)
    assert asdict(report)["frames"] == 20 and report.most_people == 2
    assert report.warnings() == [
        "up to 2 people were found in a frame; the main one was followed",
        "detected in less than 75% of the frames: left ear",
    ]


@pytest.mark.parametrize(
    ("settings", "followed"),
    [
        (CleaningSettings(person=0), "number 0 from the left was followed"),
        (CleaningSettings(person=(0.25, 0.5)), "the one nearest to 0.25,0.5 was followed"),
        (CleaningSettings(choose_person=False), "the first one of each frame was followed"),
    ],
)
def test_report_names_the_followed_person(settings: CleaningSettings, followed: str) -> None:
    frames = [
        [pose, standing(6.0, neck=(30.0, 30.0))] for pose in moving(np.random.default_rng(11), 20)
    ]

    assert clean_poses(frames, settings).report.warnings()[0] == (
        f"up to 2 people were found in a frame; {followed}"
    )


def test_frames_left_empty_are_reported() -> None:
    frames = _alone(moving(np.random.default_rng(12), 30))
    frames[10:22] = [[]] * 12
    report = clean_poses(frames).report
    assert report.frames_left_empty == list(range(10, 22))
    assert report.warnings() == ["no person was found in 12 of 30 driving frames"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_confidence", 1.5),
        ("max_gap_s", -1),
        ("min_shown_s", -0.1),
        ("max_speed", 0.0),
        ("smooth_order", 7),
    ],
)
def test_settings_out_of_range_are_rejected(name: str, value: float) -> None:
    with pytest.raises(ParameterError, match=f"{name} is {value}; it must be"):
        replace(CleaningSettings(), **{name: value})  # type: ignore[arg-type]
