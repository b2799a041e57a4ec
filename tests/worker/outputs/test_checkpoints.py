"""An interrupted render resumes from its last checkpoint, on real stores."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from redis import Redis

from service.contract.job import Checkpoint, JobRecord, Output
from service.contract.queues import Queue
from service.contract.states import JobState
from service.maintenance.orphans import OrphanSweeper
from service.maintenance.sweeper import Sweeper
from service.settings import Settings
from service.stores.job_store import commands
from service.stores.job_store.commands import Command
from service.stores.job_store.snapshots import LeaseStatus
from service.stores.job_store.store import JobStore
from service.stores.object_store.base import ObjectStore
from service.stores.object_store.s3 import S3Objects
from tests.servers import GUARD_S, free_port, wait_until
from tests.service.job_driver import expire_lease, reclaim_expired
from tests.worker.conftest import Desk
from tests.worker.paint import PaintAnimator
from worker.job_runner import JobRunner
from worker.outputs import checkpoints
from worker.runtime.shutdown import Shutdown
from worker.stages import LOW_MEMORY_WARNING

T = TypeVar("T")


class KilledError(BaseException):
    """The process was killed: no later code runs."""


class World:
    """Workers that die and leave at chosen steps."""

    def __init__(self, desk: Desk, jobs: JobStore, objects: ObjectStore, folder: Path) -> None:
        self.desk, self.jobs, self.folder = desk, jobs, folder
        self.sweep = Sweeper(jobs, objects, "w1", folder / "no", OrphanSweeper(jobs, objects)).act

    def prepared(self, steps: int = 6) -> str:
        """Prepare a job, so that it waits to be rendered, and return its id."""
        job_id = self.desk.submit(steps=steps)
        self.desk.with_animator(PaintAnimator()).run(Queue.PREPARE, job_id)
        return job_id

    def kept(self, job_id: str, step: int) -> Checkpoint:
        """Wait until the job's checkpoint is of this step or a later one, and return it."""

        def probe() -> Checkpoint | None:
            checkpoint = self.desk.record(job_id).checkpoint
            return (
                checkpoint if checkpoint is not None and checkpoint.progress.step >= step else None
            )

        checkpoint = wait_until(probe, f"a checkpoint of step {step}")
        assert checkpoint is not None
        return checkpoint

    def keeps_up(self, job_id: str, step: int) -> None:
        """Wait, before a step, until the checkpoint of the one before is stored."""
        if step:
            self.kept(job_id, step)

    def render_and_die(self, job_id: str, behind: int) -> PaintAnimator:
        """Kill a worker once the checkpoint of a step is stored, and expire its lease."""

        def die(step: int) -> None:
            self.keeps_up(job_id, step)
            if step == behind:
                raise KilledError

        painter = PaintAnimator(on_step=die)
        with pytest.raises(KilledError):
            self.desk.with_animator(painter, "dead").run(Queue.RENDER, job_id)
        self.lose(job_id)
        return painter

    def lose(self, job_id: str) -> None:
        """Expire the lease of the job's worker."""
        expire_lease(self.jobs, job_id)
        assert reclaim_expired(self.jobs) == [(job_id, Queue.RENDER)]

    def finish(self, job_id: str, painter: PaintAnimator) -> JobRecord:
        """Render the job in another worker and return its record."""
        self.desk.with_animator(painter, "w2").run(Queue.RENDER, job_id)
        return self.desk.record(job_id)

    def checkpoints(self, job_id: str) -> list[str]:
        """Names of the checkpoints in the object store."""
        files = self.folder.rglob(f"*{job_id}/*/checkpoints/*/*")
        return sorted(str(file.relative_to(self.folder)) for file in files)


@pytest.fixture
def world(
    desk: Desk,
    jobs: JobStore,
    objects: ObjectStore,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    # Steps that take no time would else have next to no checkpoints.
    monkeypatch.setattr(checkpoints, "MAX_COST_SHARE", 1.0)
    return World(desk, jobs, objects, settings.objects_folder)


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


def test_worker_killed_between_result_and_end_loses_one_step(
    world: World, desk: Desk, redis_url: str
) -> None:
    """Check the second of the contract's cases.

    The first is `test_job_of_a_killed_worker_resumes_after_its_last_step`, the third
    `test_worker_without_its_lease_publishes_nothing`.
    """

    class DiesBehindTheResult(JobStore):
        def run(self, call: Command[T]) -> T:
            reply = super().run(call)
            if call.script == "finish":
                raise KilledError
            return reply

    job_id, dying = world.prepared(), DiesBehindTheResult.connect(redis_url)
    with pytest.raises(KilledError):
        replace(desk.with_animator(PaintAnimator()), jobs=dying).run(Queue.RENDER, job_id)
    dying.close()
    done = desk.record(job_id)
    assert (done.state, done.token) == (JobState.SUCCEEDED, 2)
    second = PaintAnimator()
    assert reclaim_expired(world.jobs) == []
    assert world.finish(job_id, second) == done
    assert second.done == []


class AtItsEnd(JobStore):
    """The store of a worker to which something happens between its outputs and their commit."""

    happens: Callable[[], None]

    def run(self, call: Command[T]) -> T:
        if call.script == "finish":
            self.happens()
        return super().run(call)


@pytest.fixture
def at_its_end(redis_url: str) -> Iterator[AtItsEnd]:
    store = AtItsEnd(Redis.from_url(redis_url, decode_responses=True))
    yield store
    store.close()


def test_worker_killed_between_outputs_and_commit_loses_nothing(
    world: World, desk: Desk, at_its_end: AtItsEnd
) -> None:
    def die() -> None:
        raise KilledError

    job_id, first, second = world.prepared(), PaintAnimator(), PaintAnimator()
    first.on_step = partial(world.keeps_up, job_id)
    at_its_end.happens = die
    with pytest.raises(KilledError):
        replace(desk.with_animator(first), jobs=at_its_end).run(Queue.RENDER, job_id)
    assert first.done == [1, 2, 3, 4, 5, 6]
    world.lose(job_id)
    world.sweep()
    done = world.finish(job_id, second)
    assert (done.state, done.resumes) == (JobState.SUCCEEDED, 1)
    assert second.done in ([], [6])


def test_superseded_worker_keeps_the_other_workers_checkpoint(
    world: World, desk: Desk, at_its_end: AtItsEnd
) -> None:
    """A was stopped behind its last step; when it wakes, B has just begun from A's checkpoint."""
    job_id, first, second = world.prepared(), PaintAnimator(), PaintAnimator()
    first.on_step = partial(world.keeps_up, job_id)
    at_its_end.happens = partial(world.lose, job_id)
    replace(desk.with_animator(first), jobs=at_its_end).run(Queue.RENDER, job_id)
    world.sweep()
    checkpoint = desk.record(job_id).checkpoint
    assert checkpoint is not None and world.checkpoints(job_id) == [checkpoint.key]
    done = world.finish(job_id, second)
    assert (done.state, second.done in ([], [6])) == (JobState.SUCCEEDED, True)
    assert {key.split("/")[2] for key in done.outputs.values()} == {str(done.token)}


MOMENTS = ("waits", "prepares", "waits to be rendered", "renders", "leaves")


@pytest.mark.parametrize("moment", MOMENTS)
def test_cancel_ends_the_job_in_every_state(world: World, moment: str) -> None:
    """Twenty of each: a hundred cancels, at random steps where there are steps."""
    chosen = random.Random(moment)
    for _ in range(20):
        job_id = world.desk.submit(steps=5) if moment in MOMENTS[:2] else world.prepared(steps=5)
        step, done = chosen.randrange(5), 0
        painter = PaintAnimator()
        worker = world.desk.with_animator(painter)

        def cancel(now: int, job_id: str = job_id) -> None:
            world.jobs.run(commands.cancel(job_id))

        def at_a_step(
            now: int, job_id: str = job_id, step: int = step, worker: JobRunner = worker
        ) -> None:
            if now == step:
                if moment == "leaves":
                    worker.shutdown.begin()
                cancel(now, job_id)
                assert worker.lease is not None
                worker.lease.renew()

        if moment == "prepares":
            painter.on_prepare = cancel
        elif moment in ("renders", "leaves"):
            painter.on_step = at_a_step
        else:
            cancel(0)
        for queue in Queue:
            worker.run(queue, job_id)
            done = len(painter.done)
        ended = world.desk.record(job_id)
        assert (ended.state, ended.outputs, ended.error) == (JobState.CANCELED, {}, None)
        assert done <= step
        world.finish(job_id, PaintAnimator())
        reclaim_expired(world.jobs)
        assert world.desk.record(job_id) == ended
