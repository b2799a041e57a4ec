"""Workers of two releases over the same jobs: one leaves to the other what it does not know."""

from __future__ import annotations

import json
from base64 import b64decode

from service.contract.job import DrivingKind, JobInputs
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.states import JobState
from service.contract.version import CONTRACT, HEADER
from service.stores import calls
from service.stores.hints import Hints, message
from service.stores.jobs import Jobs
from service.upkeep.reconciler import Reconciler
from tests.worker.conftest import Desk
from worker.job_runner import JobRunner

LATER = CONTRACT + 1


def make(jobs: Jobs, job_id: str, contract: int = CONTRACT) -> None:
    """A job as a gateway of the release with this contract makes it."""
    inputs = JobInputs(image="a/b", driving="c/d", driving_kind=DrivingKind.VIDEO, frames=3)
    jobs.run(calls.create(job_id, JobParams(), inputs, contract=contract))


def state(jobs: Jobs, job_id: str) -> JobState:
    placed = jobs.run(calls.read(job_id))
    assert placed is not None
    return placed.record.state


def test_a_worker_passes_over_what_it_does_not_know(jobs: Jobs) -> None:
    make(jobs, "later", LATER)
    make(jobs, "known")
    taken = jobs.run(calls.take_next(Queue.PREPARE, "old", 1000))
    assert taken is not None and taken.id == "known"
    assert jobs.run(calls.take_next(Queue.PREPARE, "old", 1000)) is None
    assert jobs.run(calls.take("later", Queue.PREPARE, "old", 1000)) is None
    assert state(jobs, "later") is JobState.QUEUED
    taken = jobs.run(calls.take_next(Queue.PREPARE, "new", 1000, LATER))
    assert taken is not None and (taken.id, taken.contract) == ("later", LATER)


def test_a_long_line_of_unknown_jobs_does_not_hide_a_known_one(jobs: Jobs) -> None:
    for n in range(230):
        make(jobs, f"later{n}", LATER)
    make(jobs, "known")
    taken = jobs.run(calls.take_next(Queue.PREPARE, "old", 1000))
    assert taken is not None and taken.id == "known"


def test_a_refused_job_keeps_its_place_and_gets_another_hint(
    desk: Desk, jobs: Jobs, hints: Hints, runner: JobRunner
) -> None:
    make(jobs, "later", LATER)
    runner.run(Queue.PREPARE, "later")
    assert state(jobs, "later") is JobState.QUEUED
    assert jobs.redis.llen(Queue.PREPARE.task) == 0
    Reconciler(jobs, hints, "w1", max_attempts=3, hint_age_ms=0).act()
    assert jobs.redis.llen(Queue.PREPARE.task) == 1
    assert desk.finish(desk.submit()).state is JobState.SUCCEEDED


def test_what_a_later_worker_prepared_waits_for_one_like_it(jobs: Jobs) -> None:
    make(jobs, "job")
    record = jobs.run(calls.take_next(Queue.PREPARE, "new", 1000))
    assert record is not None
    jobs.run(calls.hand_over("job", record.token, Queue.RENDER, "jobs/p", []))
    jobs.redis.hset("tcan:job:job", "contract", LATER)
    assert jobs.run(calls.take_next(Queue.RENDER, "old", 1000)) is None
    assert jobs.run(calls.take_next(Queue.RENDER, "new", 1000, LATER)) is not None


def test_hand_over_names_the_contract_of_who_prepared(jobs: Jobs) -> None:
    make(jobs, "job")
    jobs.redis.hset("tcan:job:job", "contract", CONTRACT - 1)
    record = jobs.run(calls.take_next(Queue.PREPARE, "new", 1000))
    assert record is not None and record.contract == CONTRACT - 1
    jobs.run(calls.hand_over("job", record.token, Queue.RENDER, "jobs/p", []))
    placed = jobs.run(calls.read("job"))
    assert placed is not None and placed.record.contract == CONTRACT


def test_jobs_of_releases_without_a_number_are_known(jobs: Jobs) -> None:
    make(jobs, "job")
    jobs.redis.hdel("tcan:job:job", "contract")
    taken = jobs.run(calls.take_next(Queue.PREPARE, "w", 1000))
    assert taken is not None and taken.contract == 1


def test_every_hint_carries_the_number(jobs: Jobs, hints: Hints) -> None:
    hints.send("job", Queue.RENDER)
    sent = json.loads(jobs.redis.lpop(Queue.RENDER.task))  # type: ignore[arg-type]
    made = json.loads(message("job", Queue.RENDER))
    assert sent["headers"][HEADER] == made["headers"][HEADER] == CONTRACT
    assert json.loads(b64decode(made["body"]))[0] == ["job"]
