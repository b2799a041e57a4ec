"""An interrupted render resumes from its last checkpoint, on real stores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from service.contract.job import Output
from service.contract.queues import Queue
from service.contract.states import JobState
from service.settings import Settings
from service.stores.job_store import commands
from service.stores.job_store.snapshots import LeaseStatus
from service.stores.object_store.base import ObjectStore
from service.stores.object_store.s3 import S3Objects
from tests.servers import GUARD_S, free_port, wait_until
from tests.worker.conftest import Desk
from tests.worker.outputs.world import World
from tests.worker.paint import PaintAnimator
from worker.job_runner import JobRunner
from worker.runtime.shutdown import Shutdown
from worker.stages import LOW_MEMORY_WARNING


def test_job_of_a_killed_worker_resumes_after_its_last_step(world: World) -> None:
    job_id = world.prepared()
    first, second = world.render_and_die(job_id, behind=4), PaintAnimator()
    waiting = world.desk.record(job_id)
    assert waiting.checkpoint is not None
    done = world.finish(job_id, second)
    assert (first.done, second.done) == ([1, 2, 3, 4], [5, 6])
    assert (done.state, done.resumes, done.attempts) == (JobState.SUCCEEDED, 1, 2)
    assert done.checkpoint is None
    world.sweep()
    assert world.checkpoints(job_id) == []


def test_resumed_job_shows_the_progress_of_its_checkpoint(world: World) -> None:
    job_id = world.prepared()
    world.render_and_die(job_id, behind=3)
    taken = world.jobs.run(commands.claim(job_id, Queue.RENDER, "w2", 60_000))
    assert taken is not None and taken.progress is not None
    assert (taken.progress.stage, taken.progress.step, taken.progress.steps) == ("denoise", 3, 6)
    assert taken.progress.fraction > Queue.RENDER.begins_at


def test_only_the_last_checkpoint_is_stored(world: World) -> None:
    job_id = world.prepared(steps=8)
    counts: list[int] = []

    def look(step: int) -> None:
        if step:
            world.kept(job_id, step)
            # The one before is erased right behind this moment.
            wait_until(lambda: len(world.checkpoints(job_id)) == 1, "one is left")
            counts.append(step)

    world.finish(job_id, PaintAnimator(on_step=look))
    assert counts == list(range(1, 8))
    world.sweep()
    assert world.checkpoints(job_id) == []


def test_checkpoints_can_be_disabled(world: World, desk: Desk) -> None:
    job_id = world.prepared()
    seen: list[object] = []
    painter = PaintAnimator(on_step=lambda step: seen.append(desk.record(job_id).checkpoint))
    replace(desk.with_animator(painter), checkpoint_s=float("inf")).run(Queue.RENDER, job_id)
    assert desk.record(job_id).state is JobState.SUCCEEDED
    assert seen == 6 * [None]


def test_superseded_worker_saves_no_checkpoint(world: World) -> None:
    job_id = world.prepared()

    def be_overtaken(step: int) -> None:
        if step == 2:
            checkpoint = world.kept(job_id, 2)
            world.lose(job_id)
            taken = world.jobs.run(commands.claim(job_id, Queue.RENDER, "w3", 60_000))
            assert taken is not None and taken.checkpoint == checkpoint
            late = commands.keep_checkpoint(job_id, taken.token - 1, checkpoint)
            assert world.jobs.run(late) is LeaseStatus.LOST

    world.finish(job_id, PaintAnimator(step_s=0.3, on_step=be_overtaken))
    now = world.desk.record(job_id)
    assert (now.state, now.worker) == (JobState.RUNNING, "w3")
    assert now.checkpoint is not None and now.checkpoint.progress.step == 2
    assert world.checkpoints(job_id) == [now.checkpoint.key]


def test_stopping_worker_finishes_and_saves_its_step(world: World) -> None:
    job_id = world.prepared()

    first = PaintAnimator(step_s=0.1)
    leaving = world.desk.with_animator(first, "leaving")
    leaving.shutdown = Shutdown(step_s=GUARD_S)
    leaving.checkpoint_s = float("inf")

    def leave(step: int) -> None:
        if step == 2:
            leaving.shutdown.begin()

    first.on_step = leave
    leaving.run(Queue.RENDER, job_id)
    back = world.desk.record(job_id)
    assert (back.state, back.attempts) == (JobState.QUEUED, 0)
    assert back.checkpoint is not None
    second = PaintAnimator()
    assert world.finish(job_id, second).state is JobState.SUCCEEDED
    assert first.done + second.done == [1, 2, 3, 4, 5, 6]


def test_shutdown_does_not_wait_for_a_long_step(world: World) -> None:
    lease_seen: list[bool] = []
    job_id = world.prepared()
    painter = PaintAnimator()
    leaving = world.desk.with_animator(painter, "leaving")
    leaving.shutdown = Shutdown(step_s=0.0)

    def leave(step: int) -> None:
        if step == 2:
            assert leaving.lease is not None
            leaving.lease.is_in_step = True
            lease_seen.append(leaving.lease.stop_reason is None)
            leaving.shutdown.begin()

    painter.on_step = leave
    leaving.run(Queue.RENDER, job_id)
    assert lease_seen == [True]
    assert world.desk.record(job_id).state is JobState.QUEUED
    assert painter.done == [1, 2]


def test_cancel_wins_over_a_shutdown(world: World) -> None:
    job_id = world.prepared()
    painter = PaintAnimator()
    leaving = world.desk.with_animator(painter, "leaving")

    def leave(step: int) -> None:
        if step == 2:
            leaving.shutdown.begin()
            world.jobs.run(commands.cancel(job_id))

    painter.on_step = leave
    leaving.run(Queue.RENDER, job_id)
    assert world.desk.record(job_id).state is JobState.CANCELED


@pytest.mark.parametrize("harm", ["another model", "gone", "damaged"])
def test_unusable_checkpoint_restarts_the_job(
    world: World, objects: ObjectStore, tmp_path: Path, harm: str
) -> None:
    job_id = world.prepared()
    world.render_and_die(job_id, behind=3)
    checkpoint = world.desk.record(job_id).checkpoint
    assert checkpoint is not None
    if harm == "gone":
        objects.delete(checkpoint.key.rpartition("/")[0])
    if harm == "damaged":
        objects.put(checkpoint.key, b"{")
    second = PaintAnimator(weights_sha256="1" * 64 if harm == "another model" else "0" * 64)
    assert world.finish(job_id, second).state is JobState.SUCCEEDED
    assert second.done == [1, 2, 3, 4, 5, 6]


def test_job_out_of_memory_is_tried_with_less_and_warned_of(world: World) -> None:
    job_id = world.prepared()
    done = world.finish(job_id, PaintAnimator(needs_low_memory=True))
    assert (done.state, done.attempts) == (JobState.SUCCEEDED, 1)
    assert done.warnings == ["painted, not animated", LOW_MEMORY_WARNING]


@pytest.mark.long
def test_unavailable_object_store_costs_no_attempt(
    world: World, desk: Desk, settings: Settings
) -> None:
    away = settings.model_copy(
        update={"s3_bucket": "b", "s3_endpoint_url": f"http://127.0.0.1:{free_port()}"}
        | {"s3_access_key": settings.redis_url, "s3_secret_key": settings.redis_url}
    )
    job_id = world.prepared()
    cut_off: JobRunner = replace(
        desk.with_animator(PaintAnimator()), objects=S3Objects.connect(away)
    )
    cut_off.run(Queue.RENDER, job_id)
    back = desk.record(job_id)
    assert (back.state, back.queue, back.attempts) == (JobState.QUEUED, Queue.RENDER, 0)
    assert world.finish(job_id, PaintAnimator()).outputs.keys() >= {Output.RESULT}
