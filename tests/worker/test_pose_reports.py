"""The quality of poses is reported as warnings before rendering, and in manifests."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media.poses.pose_file import read_pose_file, write_pose_file
from service.contract.errors import ErrorCode
from service.contract.job import JobKind, JobRecord, Output
from service.contract.params import JobParams, RootMotion
from service.contract.queues import Queue
from service.input_limits import InputLimits
from tcan_core.errors import ConfigError
from tcan_core.pipelines.fitting import on_canvas
from tests.tcan_core.tiny_weights import TINY, write_tiny_weights
from tests.worker.conftest import Desk
from tests.worker.test_animator import Attempt, animator, attempt, pair
from worker.animator import TcanAnimator
from worker.job_runner import JobRunner
from worker.job_settings import NO_DETECTOR

__all__ = ["animator", "attempt", "pair"]  # fixtures

PARTS = {"score", "scale", "position", "visibility"}


def small_in_a_corner(pair: Path, file: Path) -> Path:
    """Write the driving poses, at a third of their size, at the upper left."""
    driving = read_pose_file(pair / "driving_pose.json")
    third = np.full(2, 1 / 3)
    frames = [[on_canvas(pose, third, pose.canvas) for pose in people] for people in driving.frames]
    write_pose_file(file, frames, driving.fps)
    return file


@pytest.mark.parametrize("retarget", [True, False])
def test_mismatched_driving_poses_are_warned_of_and_recorded(
    attempt: Attempt, pair: Path, tmp_path: Path, retarget: bool
) -> None:
    driving = small_in_a_corner(pair, tmp_path / "corner.json")
    warnings = attempt.prepare(driving, JobParams(retarget=retarget))
    size, place = [one for one in warnings if "agreement" in one]
    assert "another size" in size and "another position" in place
    assert ("not corrected without retargeting" in place) is not retarget
    alignment = attempt.render().report["pose_quality"]["alignment"]
    assert set(alignment) == PARTS
    assert alignment["scale"] == pytest.approx(1 / 3, abs=0.08)


@pytest.mark.parametrize("root_motion", [None, *RootMotion])
def test_figure_that_leaves_its_picture_is_warned_of(
    attempt: Attempt, pair: Path, tmp_path: Path, root_motion: RootMotion | None
) -> None:
    """A small driving person walks through a wide picture."""
    driving = read_pose_file(pair / "driving_pose.json")
    [pose], (height, width) = driving.frames[0], driving.canvas
    walking = [
        [on_canvas(pose, np.full(2, 0.2), (height, width), np.array([x, height / 2]))]
        for x in np.linspace(0, 0.8 * width, 20)
    ]
    write_pose_file(tmp_path / "walk.json", walking, driving.fps)
    warnings = attempt.prepare(tmp_path / "walk.json", JobParams(root_motion=root_motion))
    outside = [one for one in warnings if "outside the picture in" in one]
    assert bool(outside) == (root_motion is RootMotion.FULL), warnings
    assert all("root_motion bounded keeps it inside" in one for one in outside)


def manifest(desk: Desk, done: JobRecord, folder: Path) -> dict[str, Any]:
    """Return the manifest of a finished job."""
    content: dict[str, Any] = json.loads(desk.output(done, Output.MANIFEST, folder).read_text())
    return content


def test_manifests_contain_the_quality_of_the_poses(
    desk: Desk, runner: JobRunner, animator: TcanAnimator, tmp_path: Path
) -> None:
    real = replace(runner, animator=animator)
    job = desk.finish(desk.submit(steps=1), real)
    preview = desk.finish(desk.submit(kind=JobKind.POSES), real)
    quality = manifest(desk, job, tmp_path)["report"]["pose_quality"]
    assert set(quality["alignment"]) == PARTS
    alone = manifest(desk, preview, tmp_path)["report"]["pose_quality"]
    assert alone == {name: value for name, value in quality.items() if name != "alignment"}


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A preset with weights that asks for a detector which is not installed."""
    monkeypatch.setitem(sys.modules, "controlnet_aux", None)  # as where it is not installed
    monkeypatch.setenv("TCAN_MODELS", str(tmp_path / "models"))
    preset = tmp_path / "bare.yaml"
    preset.write_text(TINY.read_text().replace("detector: puppet", "detector: openpose"))
    write_tiny_weights(tmp_path)
    return preset


@pytest.mark.long
def test_prepare_worker_does_not_start_without_its_detector(bare: Path) -> None:
    with pytest.raises(ConfigError, match="detector openpose needs the extra `pose`"):
        TcanAnimator(str(bare), "cpu", InputLimits(), bare.parent).load()
    renders = TcanAnimator(str(bare), "cpu", InputLimits(), bare.parent, detects=False)
    renders.load()
    assert renders.describe().preset == "tiny"


@pytest.mark.parametrize("queue", list(Queue))
def test_missing_detector_is_not_an_unexpected_error(
    bare: Path, desk: Desk, runner: JobRunner, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    broken = TcanAnimator(str(bare), "cpu", InputLimits(), bare.parent, detects=False)
    broken.load()
    kind = JobKind.POSES if queue is Queue.PREPARE else JobKind.ANIMATE
    failed = desk.finish(desk.submit(kind=kind), replace(runner, animator=broken))
    assert failed.error is not None
    assert (failed.error.code, failed.error.detail) == (ErrorCode.UNAVAILABLE, NO_DETECTOR)
    assert "the extra `pose`" in caplog.text
