"""One worker runs jobs on real stores, with a painter instead of the model."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest
from pydantic import SecretStr

from service.contract.errors import ErrorCode
from service.contract.job import JobKind, Output
from service.contract.options import JobOptions
from service.contract.queues import Queue
from service.contract.states import JobState
from service.maintenance.reconciler import Reconciler
from service.settings import Settings
from service.stores.job_store import commands, presence
from service.stores.job_store.store import JobStore
from service.stores.object_store.base import Content, ObjectStore
from service.stores.object_store.folder import FolderObjects
from service.stores.object_store.open import open_objects
from tests import samples
from tests.servers import free_port, wait_until
from tests.service.job_driver import reclaim_expired, take_from_worker
from tests.worker.conftest import Desk
from tests.worker.paint import PaintAnimator, count_frames
from worker.job_runner import JobRunner, outage_pause_s
from worker.runtime.lease import StopReason
from worker.runtime.shutdown import Shutdown


def hints_in(jobs: JobStore, queue: Queue) -> int:
    """Messages in the broker's queue."""
    return int(jobs.redis.llen(queue.task))


def test_a_job_becomes_an_mp4(desk: Desk, objects: ObjectStore, tmp_path: Path) -> None:
    metadata = {"shot": "12"}
    done = desk.finish(desk.submit(frames=6, options=JobOptions(metadata=metadata)))
    assert (done.state, done.error) == (JobState.SUCCEEDED, None)
    assert done.warnings == ["painted, not animated"]
    objects.fetch(done.outputs[Output.RESULT], tmp_path / "result.mp4")
    assert count_frames(tmp_path / "result.mp4") == 6
    objects.fetch(done.outputs[Output.MANIFEST], tmp_path / "manifest.json")
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert (manifest["job"], manifest["preset"]) == (done.id, "paint")
    assert manifest["metadata"] == metadata
    assert (manifest["params"]["seed"], manifest["report"]) == (7, {"frames": 6})
    assert manifest["model"] == PaintAnimator().describe().model_dump(mode="json")
    digests = manifest["inputs"].pop("sha256")
    assert digests["image"] == hashlib.sha256(samples.png()).hexdigest()
    assert set(digests) == {"image", "driving"}
    assert manifest["inputs"] == {"driving_kind": "video", "frames": 6}
    assert manifest["provenance"] == {
        "c2pa": {},
        "watermark": None,
        "unmarked": "turned off (TCAN_WATERMARK)",
    }
    assert set(manifest["seconds"]) == set(done.seconds) == {"prepare", "denoise"}
    assert manifest["warnings"] == done.warnings


def test_a_preview_of_poses_ends_after_prepare(
    desk: Desk, jobs: JobStore, objects: ObjectStore, tmp_path: Path
) -> None:
    done = desk.finish(desk.submit(frames=6, kind=JobKind.POSES))
    assert (done.state, done.queue, done.render_ms) == (JobState.SUCCEEDED, Queue.PREPARE, 0)
    assert set(done.outputs) == {Output.POSE, Output.KEYPOINTS, Output.MANIFEST}
    assert hints_in(jobs, Queue.RENDER) == 0
    objects.fetch(done.outputs[Output.MANIFEST], tmp_path / "manifest.json")
    info = json.loads((tmp_path / "manifest.json").read_text())["provenance"]
    assert (info["watermark"], info["unmarked"]) == (None, "drawn skeletons carry no watermark")
    failed = desk.finish(desk.submit(black=True, kind=JobKind.POSES))
    assert failed.error is not None
    assert failed.error.code is ErrorCode.NO_PERSON


def test_prepare_notifies_the_render_queue_and_leaves_no_files(
    desk: Desk, jobs: JobStore, runner: JobRunner, settings: Settings
) -> None:
    job_id = desk.submit()
    runner.run(Queue.PREPARE, job_id)
    assert (desk.record(job_id).state, desk.record(job_id).queue) == ("queued", "render")
    assert hints_in(jobs, Queue.RENDER) == 1
    runner.run(Queue.RENDER, job_id)
    assert hints_in(jobs, Queue.RENDER) == 1
    assert list(settings.spool_folder.iterdir()) == []


def test_a_second_hint_does_nothing(desk: Desk, runner: JobRunner) -> None:
    animator = PaintAnimator()
    painting = desk.with_animator(animator)
    job_id = desk.submit()
    for queue in (Queue.RENDER, Queue.PREPARE, Queue.PREPARE, Queue.RENDER, Queue.RENDER):
        painting.run(queue, job_id)
    assert desk.record(job_id).state is JobState.SUCCEEDED
    assert animator.rendered == [7]
    runner.run(Queue.PREPARE, "unknown")


def test_video_without_a_person_fails_the_job_only(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    failed = desk.finish(desk.submit(black=True))
    assert failed.state is JobState.FAILED
    assert failed.error is not None
    assert (failed.error.code, failed.error.stage) == (ErrorCode.NO_PERSON, "prepare")
    assert failed.error.detail == "no person in 3 frames"
    [line] = failures(caplog)
    assert (line.levelname, line.exc_info) == ("WARNING", None)
    assert line.getMessage().endswith("code=no_person: no person in 3 frames")
    assert desk.finish(desk.submit()).state is JobState.SUCCEEDED


def test_unexpected_error_fails_the_job_without_its_text(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    def stumble(step: int) -> None:
        raise KeyError("a secret path")

    failed = desk.finish(desk.submit(), desk.with_animator(PaintAnimator(on_step=stumble)))
    assert failed.error is not None
    assert (failed.error.code, failed.error.stage) == (ErrorCode.INTERNAL, "render")
    assert "KeyError" in failed.error.detail
    assert "secret" not in failed.error.detail
    [line] = failures(caplog)
    assert (line.levelname, "a secret path" in caplog.text) == ("ERROR", True)


def failures(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return the log records of failed jobs."""
    return [record for record in caplog.records if "failed queue=" in record.getMessage()]


def test_out_of_memory_has_its_own_code(desk: Desk) -> None:
    def exhaust(step: int) -> None:
        raise MemoryError

    failed = desk.finish(desk.submit(), desk.with_animator(PaintAnimator(on_step=exhaust)))
    assert failed.error is not None
    assert failed.error.code is ErrorCode.OUT_OF_MEMORY


def test_progress_grows_in_the_record(desk: Desk) -> None:
    seen: list[float] = []
    job_id = desk.submit(steps=30)

    def look(step: int) -> None:
        progress = desk.record(job_id).progress
        seen.append(progress.fraction if progress else 0.0)

    done = desk.finish(job_id, desk.with_animator(PaintAnimator(step_s=0.05, on_step=look)))
    assert seen == sorted(seen)
    assert len(set(seen)) > 2
    assert done.progress is not None
    assert (done.progress.stage, done.progress.step, done.progress.steps) == ("denoise", 30, 30)


@pytest.mark.long
def test_the_lease_is_renewed_while_the_model_is_busy(desk: Desk, jobs: JobStore) -> None:
    # Renewed every 0.6 s; a machine may be late by four times as much.
    lease_ms = 3000
    taken_back: list[tuple[str, Queue]] = []

    def outlast_the_lease(step: int) -> None:
        began = desk.record(job_id).token
        wait_until(lambda: lease_renewed(jobs, job_id, lease_ms), "the lease is renewed")
        taken_back.extend(reclaim_expired(jobs))
        assert desk.record(job_id).token == began

    job_id = desk.submit(steps=1)
    painting = desk.with_animator(PaintAnimator(on_step=outlast_the_lease))
    done = desk.finish(job_id, replace(painting, lease_ms=lease_ms))
    assert (done.state, taken_back) == (JobState.SUCCEEDED, [])


def lease_renewed(jobs: JobStore, job_id: str, lease_ms: int) -> bool:
    """Return whether the lease has lasted longer than it would have without renewal."""
    record = jobs.run(commands.read(job_id))
    assert record is not None
    ends_ms = jobs.redis.zscore("tcan:leases", job_id)
    seconds, micros = jobs.redis.time()
    now_ms = int(seconds) * 1000 + int(micros) // 1000
    began_ms = record.record.started_ms or 0
    return now_ms - began_ms > lease_ms and float(ends_ms or 0) > now_ms


def test_a_cancel_stops_the_work_at_the_next_step(desk: Desk, jobs: JobStore) -> None:
    steps: list[int] = []

    def cancel_at_three(step: int) -> None:
        steps.append(step)
        if step == 3:
            jobs.run(commands.cancel(job_id))
            wait_until(is_noticed, "the worker hears of the cancel")

    def is_noticed() -> bool:
        lease = painting.lease
        return lease is not None and lease.stop_reason is StopReason.CANCELED

    job_id = desk.submit(steps=200)
    animator = PaintAnimator(on_step=cancel_at_three)
    painting = desk.with_animator(animator)
    done = desk.finish(job_id, painting)
    assert (done.state, done.outputs) == (JobState.CANCELED, {})
    assert animator.rendered == []
    assert max(steps) == 3


def test_worker_without_its_lease_publishes_nothing(
    desk: Desk, jobs: JobStore, runner: JobRunner
) -> None:
    def be_overtaken(step: int) -> None:
        if step == 2:
            assert take_from_worker(jobs, job_id) == [(job_id, Queue.RENDER)]
            runner.run(Queue.RENDER, job_id)

    job_id = desk.submit()
    slow = desk.with_animator(PaintAnimator(on_step=be_overtaken), worker="w0")
    done = desk.finish(job_id, slow)
    assert (done.state, done.token) == (JobState.SUCCEEDED, 3)
    assert done.outputs[Output.RESULT] == f"jobs/{job_id}/3/result.mp4"


def test_shutdown_releases_the_job(desk: Desk, runner: JobRunner, jobs: JobStore) -> None:
    def leave(step: int) -> None:
        if step == 2:
            leaving.shutdown.begin()

    job_id = desk.submit()
    leaving = desk.with_animator(PaintAnimator(on_step=leave))
    back = desk.finish(job_id, leaving)
    assert (back.state, back.queue, back.attempts) == (JobState.QUEUED, Queue.RENDER, 0)
    assert hints_in(jobs, Queue.RENDER) == 2
    leaving.run(Queue.RENDER, job_id)
    assert desk.record(job_id).state is JobState.QUEUED
    runner.run(Queue.RENDER, job_id)
    assert desk.record(job_id).state is JobState.SUCCEEDED


def test_missing_inputs_fail_the_job(desk: Desk, objects: ObjectStore) -> None:
    job_id = desk.submit()
    objects.delete(f"jobs/{job_id}/inputs")
    failed = desk.finish(job_id)
    assert failed.error is not None
    assert failed.error.code is ErrorCode.INTERNAL


@pytest.fixture
def keeper(runner: JobRunner) -> Reconciler:
    return Reconciler(runner.jobs, runner.hints, "w1", max_attempts=3, hint_age_ms=0)


def test_reconciler_reclaims_the_job_of_a_dead_worker(
    desk: Desk, jobs: JobStore, keeper: Reconciler
) -> None:
    job_id = desk.submit()
    jobs.run(commands.claim(job_id, Queue.PREPARE, "dead", 60_000))
    keeper.act()
    assert desk.record(job_id).state is JobState.PREPARING
    jobs.redis.zadd("tcan:leases", {job_id: 0})
    keeper.act()
    assert desk.record(job_id).state is JobState.QUEUED
    assert hints_in(jobs, Queue.PREPARE) == 1
    assert desk.finish(job_id).state is JobState.SUCCEEDED


def test_job_is_released_before_its_worker_pauses(desk: Desk, settings: Settings) -> None:
    """A worker that dies while it pauses for an unavailable S3 costs the job no attempt."""
    changed = {
        "s3_bucket": "tcan",
        "s3_endpoint_url": f"http://127.0.0.1:{free_port()}",
        "s3_access_key": SecretStr("a"),
        "s3_secret_key": SecretStr("b"),
    }
    away = open_objects(settings.model_copy(update=changed))
    worker, job_id = replace(desk.with_animator(PaintAnimator()), objects=away), desk.submit()
    working = threading.Thread(target=worker.run, args=(Queue.PREPARE, job_id))
    working.start()

    def is_released() -> bool:
        record = desk.record(job_id)
        return record.token > 0 and record.state is JobState.QUEUED

    wait_until(is_released, "the job is released")
    wait_until(lambda: worker.lease is None, "the worker drops its lease")
    assert working.is_alive()
    assert desk.record(job_id).attempts == 0
    worker.shutdown.begin()
    working.join()
    assert desk.finish(job_id).state is JobState.SUCCEEDED


class Patient(Shutdown):
    """Records the waits instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_s: list[float] = []

    def wait(self, timeout_s: float) -> bool:
        self.waited_s.append(timeout_s)
        return self.has_begun


def test_pause_grows_while_a_store_is_unavailable(desk: Desk, settings: Settings) -> None:
    patient, job_id = Patient(), desk.submit()
    worker = replace(desk.with_animator(PaintAnimator()), shutdown=patient)
    # In the place of a folder of each try's, so that the disk refuses what it makes.
    blocked = [settings.objects_folder / "jobs" / job_id / token for token in ("1", "2", "4")]
    for file in blocked:
        file.touch()
    for queue in (Queue.PREPARE, Queue.PREPARE, Queue.PREPARE, Queue.RENDER, Queue.RENDER):
        worker.run(queue, job_id)
    assert desk.record(job_id).state is JobState.SUCCEEDED
    assert patient.waited_s == [3.0, 6.0, 3.0]
    assert [outage_pause_s(tries) for tries in (3, 4, 5, 6, 7, 5000)] == [12, 24, 48, 60, 60, 60]


def test_job_is_released_if_the_scratch_folder_is_missing(
    desk: Desk, settings: Settings, runner: JobRunner
) -> None:
    shutdown, job_id = Patient(), desk.submit()
    worker = replace(runner, scratch=settings.data / "missing", shutdown=shutdown)
    worker.run(Queue.PREPARE, job_id)
    released = desk.record(job_id)
    assert (released.state, released.attempts) == (JobState.QUEUED, 0)
    assert shutdown.waited_s == [3.0]
    assert desk.finish(job_id).state is JobState.SUCCEEDED


class CancelsAtPut(FolderObjects):
    """A store in which a caller cancels as soon as a worker has stored something."""

    on_put: Callable[[str], None]

    def put(self, key: str, content: Content) -> None:
        super().put(key, content)
        self.on_put(key)


@pytest.mark.parametrize("queue", Queue)
def test_cancel_is_noticed_between_two_uploads(
    desk: Desk, jobs: JobStore, settings: Settings, runner: JobRunner, queue: Queue
) -> None:
    keys: list[str] = []
    job_id = desk.submit()
    if queue is Queue.RENDER:
        runner.run(Queue.PREPARE, job_id)
    objects = CancelsAtPut(settings.objects_folder, bytes)
    worker = replace(desk.with_animator(PaintAnimator()), objects=objects, checkpoint_s=inf)

    def cancel(key: str) -> None:
        keys.append(key)
        jobs.run(commands.cancel(job_id))
        worker.on_cancel_request(job_id)

    objects.on_put = cancel
    worker.run(queue, job_id)
    assert desk.record(job_id).state is JobState.CANCELED
    assert len(keys) == 1


def test_reconciler_sends_a_lost_hint_once(desk: Desk, jobs: JobStore, keeper: Reconciler) -> None:
    desk.submit()
    keeper.act()
    keeper.act()
    assert hints_in(jobs, Queue.PREPARE) == 1


def test_only_one_reconciler_is_active(desk: Desk, jobs: JobStore, keeper: Reconciler) -> None:
    jobs.run(presence.hold_role("reconciler", "another", 60_000))
    desk.submit()
    keeper.act()
    assert hints_in(jobs, Queue.PREPARE) == 0
