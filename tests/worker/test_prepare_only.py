"""A worker that only prepares loads no network of its preset, and leaves what others leave."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.contract.job import DrivingKind, JobInputs, JobKind, Output
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.states import JobState
from service.contract.workers import ModelInfo
from service.input_limits import InputLimits
from service.settings import Settings
from service.stores.job_store import commands, presence
from service.stores.job_store.store import JobStore
from service.stores.object_store.base import ObjectStore
from tests.servers import running, wait_until
from tests.worker.conftest import Desk
from tests.worker.real_workers import COMMAND
from tests.worker.test_animator import FRAMES, Attempt, animator, attempt, pair
from worker.animator import TcanAnimator
from worker.job_runner import JobRunner
from worker.runtime.heartbeat import Heartbeat

__all__ = ["animator", "attempt", "pair"]  # fixtures


def only_prepares(animator: TcanAnimator, folder: Path) -> TcanAnimator:
    """Return an animator of the same preset without weights."""
    made = TcanAnimator(animator.preset, "cpu", InputLimits(), folder / "no", renders=False)
    made.load()
    return made


def content(prepared: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return the files of a prepared input, and its metadata without the time taken."""
    with zipfile.ZipFile(prepared) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    info = json.loads(members.pop("prepared.json"))
    del info["seconds"]
    return members, info


def test_prepare_worker_prepares_the_same_as_a_full_worker(
    attempt: Attempt, pair: Path, tmp_path: Path
) -> None:
    alone = Attempt(only_prepares(attempt.animator, tmp_path), pair, tmp_path)
    alone.prepared = tmp_path / "alone.zip"
    for params in (JobParams(), JobParams(retarget=False)):
        for one in (attempt, alone):
            one.prepare(params=params)
        members, info = content(alone.prepared)
        assert (members, info) == content(attempt.prepared)
        assert {"driver.mp4"} < set(members) and len(members) == FRAMES + 1 and info["poses"]
    assert alone.animator._pipeline is None


def test_job_passes_from_prepare_worker_to_render_worker(
    desk: Desk, runner: JobRunner, animator: TcanAnimator, tmp_path: Path
) -> None:
    prepares = replace(runner, animator=only_prepares(animator, tmp_path))
    renders = replace(runner, animator=animator)
    job_id, preview = desk.submit(steps=1), desk.submit(kind=JobKind.POSES)
    for one in (job_id, preview):
        prepares.run(Queue.PREPARE, one)
    renders.run(Queue.RENDER, job_id)
    done, shown = desk.record(job_id), desk.record(preview)
    assert done.state is shown.state is JobState.SUCCEEDED
    info = json.loads(desk.output(shown, Output.MANIFEST, tmp_path).read_text())["model"]
    assert (info["preset"], info["weights"]) == ("tiny", {})


def test_prepare_worker_reports_no_model(
    jobs: JobStore, animator: TcanAnimator, tmp_path: Path
) -> None:
    alone = only_prepares(animator, tmp_path).describe()
    whole = animator.describe()
    assert alone == ModelInfo.model_validate(
        {**whole.model_dump(), "weights": {}, "stand_ins": {}, "zero_shot": False}
    )
    heartbeat = Heartbeat(jobs, "p1", (Queue.PREPARE,), "tiny", animator.memory, tmp_path)
    heartbeat.report_ready(None)
    [info] = jobs.run(presence.workers())
    assert (info.ready, info.model, info.preset) == (True, None, "tiny")


@pytest.mark.slow
def test_sd15_job_is_prepared_without_its_weights(
    settings: Settings, jobs: JobStore, objects: ObjectStore, pair: Path, tmp_path: Path
) -> None:
    """`tcan worker` runs on a machine that has none of its weights."""
    assert settings.redis_url is not None
    environment = {
        "TCAN_DATA": str(settings.data),
        "TCAN_REDIS_URL": settings.redis_url.get_secret_value(),
        "TCAN_PRESET": "sd15",
        "TCAN_DETECTOR": "puppet",
        "TCAN_MODELS": str(tmp_path / "models"),
        "OMP_NUM_THREADS": "1",
    }
    names = ("source.png", "driving_pose.json")
    image, driving = (f"jobs/j/inputs/{name}" for name in names)
    for name in names:
        objects.put(f"jobs/j/inputs/{name}", pair / name)
    inputs = JobInputs(image=image, driving=driving, driving_kind=DrivingKind.POSES, frames=FRAMES)
    jobs.run(commands.create("j", JobParams(retarget=False), inputs))

    def handed_over() -> bool:
        snapshot = jobs.run(commands.read("j"))
        assert snapshot is not None and snapshot.record.state is not JobState.FAILED
        return snapshot.record.prepared is not None

    with running([*COMMAND, "--queues", "prepare"], tmp_path / "log", environment, 0):
        wait_until(handed_over, "the job is prepared")
        [info] = jobs.run(presence.workers())
    assert info.memory is not None and info.memory.used_bytes < 2**30
