"""The end of a job when a worker dies, is superseded or gets a cancel."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TypeVar

import pytest
from redis import Redis

from service.contract.queues import Queue
from service.contract.states import JobState
from service.stores.job_store import commands
from service.stores.job_store.commands import Command
from service.stores.job_store.store import JobStore
from tests.service.job_driver import reclaim_expired
from tests.worker.conftest import Desk
from tests.worker.outputs.world import KilledError, World
from tests.worker.paint import PaintAnimator
from worker.job_runner import JobRunner

T = TypeVar("T")


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
