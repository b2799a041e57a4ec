"""Errors come as often as asked, each seed its own, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from media.poses.keypoints import Pose
from tcan_core.errors import ParameterError
from tcan_core.evaluation.pose_errors import PoseErrors, with_errors

TRUTH = [Pose(np.full((18, 2), 20.0), np.full(18, 0.9), (64, 48)) for _ in range(500)]


def test_joints_are_dropped_and_thrown_at_the_configured_rates() -> None:
    damaged = with_errors(TRUTH, PoseErrors(drop=0.3, throw=0.05), seed=1)
    gone = np.mean([~pose.detected for pose in damaged])
    points = np.concatenate([pose.keypoints[pose.detected] for pose in damaged])
    thrown = points[(points != 20.0).any(axis=1)]
    assert gone == pytest.approx(0.3, abs=0.02)
    assert len(thrown) / (500 * 18) == pytest.approx(0.05, abs=0.01)
    assert thrown.min() >= 0 and (thrown.max(axis=0) <= [48, 64]).all()
    assert thrown.max(axis=0) == pytest.approx([48, 64], abs=2), "anywhere in the frame"
    assert {float(c) for pose in damaged for c in pose.confidence} == {0.0, 0.9}


def test_pose_errors_are_reproducible_by_seed() -> None:
    errors = PoseErrors(drop=0.3)
    one, same, other = (with_errors(TRUTH[:5], errors, seed) for seed in (1, 1, 2))
    assert [p.detected.tolist() for p in one] == [p.detected.tolist() for p in same]
    assert [p.detected.tolist() for p in one] != [p.detected.tolist() for p in other]


def test_without_errors_poses_are_unchanged() -> None:
    assert not PoseErrors() and PoseErrors(throw=0.1)
    [pose] = with_errors(TRUTH[:1], PoseErrors(), seed=0)
    assert np.array_equal(pose.keypoints, TRUTH[0].keypoints) and pose.detected.all()


@pytest.mark.parametrize(("drop", "throw"), [(-0.1, 0.0), (0.0, 1.1), (0.6, 0.5), (np.nan, 0.0)])
def test_rates_outside_their_range_are_rejected(drop: float, throw: float) -> None:
    with pytest.raises(ParameterError, match="their sum at most 1"):
        PoseErrors(drop, throw)
