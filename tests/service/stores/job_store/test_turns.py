"""The order of jobs: priority classes, fair shares of callers, reliable positions."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from service.contract.job import DrivingKind, JobInputs, JobKind, JobRecord
from service.contract.options import JobOptions, Priority
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.stores.job_store import commands
from service.stores.job_store.store import JobStore


class Line:
    """Callers who create jobs, and a worker that claims the next one."""

    def __init__(self, jobs: JobStore) -> None:
        self.jobs = jobs
        self.made = 0

    def make(
        self,
        caller: str,
        frames: int = 10,
        priority: Priority = Priority.NORMAL,
        kind: JobKind = JobKind.ANIMATE,
    ) -> str:
        self.made += 1
        job_id = f"{caller}{self.made}"
        inputs = JobInputs(driving="jobs/d", driving_kind=DrivingKind.VIDEO, frames=frames)
        options = JobOptions(priority=priority)
        self.jobs.run(
            commands.create(job_id, JobParams(), inputs, kind=kind, options=options, caller=caller)
        )
        return job_id

    def take(self, queue: Queue = Queue.PREPARE) -> JobRecord | None:
        return self.jobs.run(commands.claim_next(queue, "w", 60_000))

    def prepare(self) -> None:
        """Move every job to the render queue."""
        while (record := self.take()) is not None:
            self.jobs.run(commands.hand_over(record.id, record.token, Queue.RENDER, "jobs/p", []))

    def order(self, queue: Queue = Queue.PREPARE) -> list[str]:
        """Claim all jobs; return their ids. Each was at position 0 before."""
        ids = []
        while (expected := self.at(0)) is not None:
            record = self.take(queue)
            assert record is not None and record.id == expected
            ids.append(record.id)
        return ids

    def at(self, position: int) -> str | None:
        """Return the job at this position."""
        for record in self.everyone():
            snapshot = self.jobs.run(commands.read(record.id))
            if snapshot is not None and snapshot.position == position:
                return record.id
        return None

    def everyone(self) -> list[JobRecord]:
        return [
            record
            for caller in ("a", "b", "c")
            for record, *_ in self.jobs.run(commands.recent(1000, caller=caller)).jobs
        ]


@pytest.fixture
def line(jobs: JobStore) -> Line:
    return Line(jobs)


def test_jobs_of_one_caller_keep_creation_order(line: Line) -> None:
    made = [line.make("a") for _ in range(5)]
    assert line.order() == made


def test_first_jobs_of_callers_keep_creation_order(line: Line) -> None:
    made = [line.make(caller) for caller in ("c", "a", "b")]
    assert line.order() == made


def test_caller_with_many_jobs_does_not_delay_others(line: Line) -> None:
    many = [line.make("a") for _ in range(4)]
    few = [line.make("b") for _ in range(2)]
    assert line.order() == [many[0], few[0], many[1], few[1], many[2], many[3]]


def test_late_caller_waits_for_at_most_one_job_of_each_other(line: Line) -> None:
    for _ in range(6):
        line.make("a")
    line.prepare()
    assert line.take(Queue.RENDER) is not None
    assert line.take(Queue.RENDER) is not None
    late = line.make("b")
    line.prepare()
    assert late in line.order(Queue.RENDER)[:2]


def test_long_jobs_use_more_of_the_share(line: Line) -> None:
    for _ in range(2):
        line.make("a", frames=30)
    short = [line.make("b", frames=10) for _ in range(4)]
    order = line.order()
    assert order[:4] == ["a1", *short[:3]]
    assert set(order[4:]) == {"a2", short[3]}


def test_priority_classes_are_served_in_order(line: Line) -> None:
    low = line.make("a", priority=Priority.LOW)
    normal = [line.make("a") for _ in range(2)]
    high = line.make("b", priority=Priority.HIGH)
    assert line.order() == [high, *normal, low]


def test_canceled_job_refunds_virtual_time(line: Line) -> None:
    given_up = [line.make("a") for _ in range(8)]
    first = line.make("a")
    other = [line.make("b") for _ in range(3)]
    for job_id in given_up:
        line.jobs.run(commands.cancel(job_id))
    assert line.order() == [first, *other]


def test_requeued_job_keeps_virtual_start(line: Line) -> None:
    made = [line.make("a") for _ in range(3)]
    first = line.take()
    assert first is not None
    line.jobs.run(commands.release(first.id, first.token))
    assert line.order() == made


@given(
    asked=st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(1, 60), st.booleans()),
        min_size=1,
        max_size=14,
    )
)
@hypothesis_settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_positions_equal_the_order_of_claims(
    jobs: JobStore, asked: list[tuple[str, int, bool]]
) -> None:
    """Without new jobs, the job at position n is claimed as the n-th."""
    jobs.redis.flushall()
    line = Line(jobs)
    for caller, frames, given_up in asked:
        job_id = line.make(caller, frames)
        if given_up:
            jobs.run(commands.cancel(job_id))
    said = {}
    for record in line.everyone():
        snapshot = jobs.run(commands.read(record.id))
        if snapshot is not None and snapshot.position is not None:
            said[snapshot.position] = record.id
    assert sorted(said) == list(range(len(said)))
    taken = []
    while (next_one := line.take()) is not None:
        taken.append(next_one.id)
    assert taken == [said[place] for place in range(len(said))]
