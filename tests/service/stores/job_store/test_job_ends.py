"""Checkpoints, deadlines and repeated final writes, on a real Valkey."""

from __future__ import annotations

import pytest

from service.contract.errors import ErrorCode
from service.contract.job import Output
from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.stores.job_store import commands, counts, events
from service.stores.job_store.commands import Command
from service.stores.job_store.snapshots import LeaseStatus
from service.stores.job_store.store import JobStore
from tests.service.stores.job_store.records import (
    INPUTS,
    KEPT,
    LEASE_MS,
    NO_PERSON,
    PROGRESS,
    Clock,
    rendering,
    state,
    taken,
)


def test_checkpoint_is_kept_until_job_ends(jobs: JobStore, clock: Clock) -> None:
    token = rendering(jobs).token
    late = PROGRESS.model_copy(update={"step": 5})
    assert jobs.run(commands.keep_checkpoint("a", token, KEPT)) is LeaseStatus.HELD
    jobs.run(commands.renew("a", token, LEASE_MS, late))
    clock.now_ms += LEASE_MS
    jobs.run(commands.reclaim_expired(3))
    assert state(jobs).checkpoint == KEPT
    again = taken(jobs, Queue.RENDER)
    assert (again.progress, again.resumes, again.checkpoint) == (PROGRESS, 1, KEPT)
    counted = jobs.run(counts.service_stats()).counters
    assert (counted["resumed",], counted["steps_repeated",]) == (1, 2)
    jobs.run(commands.succeed("a", again.token, {}, []))
    assert state(jobs).checkpoint is None


def test_steps_before_checkpoint_are_not_counted_twice(jobs: JobStore, clock: Clock) -> None:
    jobs.run(commands.renew("a", rendering(jobs).token, LEASE_MS, PROGRESS))
    jobs.run(commands.keep_checkpoint("a", state(jobs).token, KEPT))
    clock.now_ms += LEASE_MS
    jobs.run(commands.reclaim_expired(3))
    again = taken(jobs, Queue.RENDER)
    for report in ({"stage": "encode", "step": 0}, {"step": 4}, {"step": 5}):
        goes_on = PROGRESS.model_copy(update=report)
        jobs.run(commands.renew("a", again.token, LEASE_MS, goes_on))
    assert jobs.run(counts.service_stats()).counters["steps",] == 5


def test_checkpoint_with_old_token_is_refused(jobs: JobStore, clock: Clock) -> None:
    token = rendering(jobs).token
    clock.now_ms += LEASE_MS
    jobs.run(commands.reclaim_expired(3))
    assert jobs.run(commands.keep_checkpoint("a", token, KEPT)) is LeaseStatus.LOST
    taken(jobs, Queue.RENDER)
    assert jobs.run(commands.keep_checkpoint("a", token, KEPT)) is LeaseStatus.LOST
    assert state(jobs).checkpoint is None


@pytest.mark.parametrize("ending", ["succeed", "fail", "hand_over", "release"])
def test_repeated_final_write_returns_same_status(jobs: JobStore, ending: str) -> None:
    token = rendering(jobs).token
    write: Command[LeaseStatus] = {
        "succeed": commands.succeed("a", token, {Output.RESULT: "jobs/a/r"}, []),
        "fail": commands.fail("a", token, NO_PERSON),
        "hand_over": commands.hand_over("a", token, Queue.RENDER, "jobs/a/p", []),
        "release": commands.release("a", token),
    }[ending]
    assert jobs.run(write) is LeaseStatus.HELD
    after = state(jobs)
    assert jobs.run(write) is LeaseStatus.HELD
    assert state(jobs) == after
    others = [commands.end_canceled("a", token), commands.renew("a", token, LEASE_MS)]
    assert [jobs.run(other) for other in others] == [LeaseStatus.LOST, LeaseStatus.LOST]


def test_leases_survive_outage_of_the_store(jobs: JobStore, clock: Clock) -> None:
    token = rendering(jobs).token
    jobs.run(commands.reclaim_expired(3))
    clock.now_ms += commands.SILENCE_MS + LEASE_MS
    assert jobs.run(commands.reclaim_expired(3, grace_ms=LEASE_MS)) == []
    assert jobs.run(commands.renew("a", token, LEASE_MS)) is LeaseStatus.HELD
    clock.now_ms += LEASE_MS
    assert jobs.run(commands.reclaim_expired(3, grace_ms=LEASE_MS)) == [("a", Queue.RENDER)]


def late(jobs: JobStore, **deadlines: int) -> None:
    """Create the job `a` with deadlines."""
    jobs.run(commands.create("a", JobParams(), INPUTS, options=JobOptions(**deadlines)))


def test_job_fails_after_start_deadline(jobs: JobStore, clock: Clock) -> None:
    late(jobs, start_deadline_s=5)
    clock.now_ms += 4999
    assert jobs.run(commands.expire_deadlines()) == []
    clock.now_ms += 1
    assert jobs.run(commands.expire_deadlines()) == ["a"]
    ended = state(jobs)
    assert (ended.state, ended.error and ended.error.code) == ("failed", ErrorCode.START_DEADLINE)
    assert ended.error is not None and "within 5 s" in ended.error.detail
    assert jobs.run(commands.claim_next(Queue.PREPARE, "w", LEASE_MS)) is None


def test_started_job_has_no_start_deadline(jobs: JobStore, clock: Clock) -> None:
    late(jobs, start_deadline_s=5)
    token = taken(jobs).token
    clock.now_ms += 10_000
    jobs.run(commands.release("a", token))
    assert jobs.run(commands.expire_deadlines()) == []


@pytest.mark.parametrize("queued", [True, False])
def test_job_fails_after_run_deadline_and_lease_is_lost(
    jobs: JobStore, clock: Clock, queued: bool
) -> None:
    late(jobs, start_deadline_s=5, run_deadline_s=30)
    token = taken(jobs).token
    if queued:
        jobs.run(commands.hand_over("a", token, Queue.RENDER, "jobs/a/p", []))
    clock.now_ms += 30_000
    assert jobs.run(commands.expire_deadlines()) == ["a"]
    ended = state(jobs)
    assert ended.error is not None
    assert (ended.state, ended.error.code) == ("failed", ErrorCode.RUN_DEADLINE)
    assert jobs.run(commands.renew("a", token, LEASE_MS)) is LeaseStatus.LOST
    assert jobs.run(commands.expire_deadlines()) == []


def test_ended_job_has_no_deadlines(jobs: JobStore, clock: Clock) -> None:
    late(jobs, run_deadline_s=1)
    jobs.run(commands.fail("a", taken(jobs).token, NO_PERSON))
    clock.now_ms += 10_000
    assert jobs.run(commands.expire_deadlines()) == []


@pytest.mark.slow
def test_reader_of_long_job_finds_every_event(jobs: JobStore) -> None:
    token = rendering(jobs).token
    begins_at = state(jobs).version
    for _ in range(2500):
        jobs.run(commands.renew("a", token, LEASE_MS, PROGRESS))
    job_events = jobs.run(events.events("a", 0, 10_000))
    assert [event.version for event in job_events] == list(range(1, begins_at + 2501))
