"""The job record, its lease and its states, on a real Valkey."""

from __future__ import annotations

from typing import Any

import pytest

from service.contract.errors import ErrorCode
from service.contract.job import Output, Progress
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.states import JobState
from service.contract.workers import WorkerInfo
from service.stores.job_store import commands, idempotency, presence, uploads
from service.stores.job_store.commands import Command
from service.stores.job_store.idempotency import KeyState
from service.stores.job_store.snapshots import LeaseStatus
from service.stores.job_store.store import JobStore
from service.stores.job_store.uploads import Upload
from tests.service.stores.job_store.records import (
    INPUTS,
    LEASE_MS,
    NO_PERSON,
    PROGRESS,
    Clock,
    created,
    state,
    taken,
)


def test_new_job_is_queued_with_its_fields(jobs: JobStore, clock: Clock) -> None:
    record = created(jobs)
    assert record.state is JobState.QUEUED
    assert record.queue is Queue.PREPARE
    assert record.params == JobParams(seed=7)
    assert record.inputs == INPUTS
    assert record.created_ms == clock.now_ms
    assert state(jobs) == record


def test_creating_job_twice_changes_nothing(jobs: JobStore) -> None:
    first = created(jobs)
    taken(jobs)
    again = jobs.run(commands.create("a", JobParams(seed=8), INPUTS))
    assert again.record.params == first.params
    assert (again.record.state, again.position) == (JobState.PREPARING, None)


def test_idempotency_key_belongs_to_one_request_of_one_caller(jobs: JobStore, clock: Clock) -> None:
    def claim(fingerprint: str, caller: str = "me", owner: str = "me-1") -> idempotency.KeyClaim:
        return jobs.run(idempotency.claim_key(caller, "k", fingerprint, owner, 1000))

    assert claim("f").state is KeyState.NEW
    assert claim("f").state is KeyState.NEW  # repeated, as after a lost reply
    assert claim("f", owner="me-2").state is KeyState.PENDING
    assert claim("g", owner="me-2").state is KeyState.OTHER
    assert claim("g", "you").state is KeyState.NEW
    jobs.run(idempotency.release_key("me", "k", "another"))
    assert claim("f", owner="me-2").state is KeyState.PENDING
    jobs.run(idempotency.release_key("me", "k", "me-1"))
    assert claim("g").state is KeyState.NEW
    kept: dict[str, Any] = {"idempotency_key": "k", "caller": "me", "keep_key_ms": 60_000}
    for job_id in ("a", "a"):
        jobs.run(commands.create(job_id, JobParams(), INPUTS, key_owner="me-1", **kept))
    jobs.run(idempotency.release_key("me", "k", "me-1"))
    assert claim("g") == idempotency.KeyClaim(KeyState.JOB, "a")


def test_upload_is_readable_until_it_expires(jobs: JobStore, clock: Clock) -> None:
    upload = Upload(id="u", caller="me", max_bytes=10)
    jobs.run(uploads.register_upload(upload, 1000))
    assert jobs.run(uploads.read_uploads(["u", "v"])) == [upload, None]
    clock.now_ms += 1000
    assert jobs.run(uploads.read_uploads(["u"])) == [None]
    assert jobs.run(uploads.expired_uploads()) == ["u"]
    jobs.run(uploads.forget_upload("u"))
    assert jobs.run(uploads.expired_uploads()) == []


def test_only_one_worker_claims_a_job(jobs: JobStore) -> None:
    created(jobs)
    record = taken(jobs)
    assert (record.state, record.token, record.attempts) == (JobState.PREPARING, 1, 1)
    assert record.worker == "w1"
    assert record.progress == Progress(stage="prepare", step=0, steps=0, fraction=0.0)
    assert jobs.run(commands.claim("a", Queue.PREPARE, "w2", LEASE_MS)) is None
    assert jobs.run(commands.claim("a", Queue.RENDER, "w2", LEASE_MS)) is None
    assert jobs.run(commands.claim("missing", Queue.PREPARE, "w2", LEASE_MS)) is None


def test_repeated_claim_finds_its_own_lease(jobs: JobStore, clock: Clock) -> None:
    none_waited = commands.claim_next(Queue.PREPARE, "w1", LEASE_MS)
    assert jobs.run(none_waited) is None
    created(jobs)
    created(jobs, "b")
    take = commands.claim_next(Queue.PREPARE, "w1", LEASE_MS)
    record = jobs.run(take)
    assert record is not None and record.id == "a"
    clock.now_ms += LEASE_MS - 1
    assert jobs.run(take) == record
    clock.now_ms += LEASE_MS - 1
    assert jobs.run(commands.reclaim_expired(3)) == []  # the repeated claim renewed the lease
    clock.now_ms += 1
    assert jobs.run(commands.reclaim_expired(3)) == [("a", Queue.PREPARE)]
    assert taken(jobs, worker="w2").token == 2
    assert [jobs.run(take), jobs.run(none_waited)] == [None, None]
    assert state(jobs, "b").token == 0


def test_progress_is_written_under_the_lease(jobs: JobStore) -> None:
    created(jobs)
    token = taken(jobs).token
    assert jobs.run(commands.renew("a", token, LEASE_MS, PROGRESS)) is LeaseStatus.HELD
    assert state(jobs).progress == PROGRESS


def test_job_passes_both_queues_and_succeeds(jobs: JobStore, clock: Clock) -> None:
    created(jobs)
    first = taken(jobs)
    status = jobs.run(
        commands.hand_over("a", first.token, Queue.RENDER, "jobs/a/p", ["two people"])
    )
    waiting = state(jobs)
    assert status is LeaseStatus.HELD
    assert (waiting.state, waiting.queue, waiting.attempts) == (JobState.QUEUED, Queue.RENDER, 0)
    second = taken(jobs, Queue.RENDER)
    assert (second.state, second.token, second.prepared) == (JobState.RUNNING, 2, "jobs/a/p")
    clock.now_ms += 500
    outputs = {Output.RESULT: "jobs/a/result.mp4"}
    assert (
        jobs.run(commands.succeed("a", second.token, outputs, ["two people"])) is LeaseStatus.HELD
    )
    ended = state(jobs)
    assert (ended.state, ended.outputs) == (JobState.SUCCEEDED, outputs)
    assert ended.warnings == ["two people"]
    assert ended.ended_ms == clock.now_ms
    assert ended.worker is None


def test_writes_with_old_token_are_refused(jobs: JobStore, clock: Clock) -> None:
    created(jobs)
    old = taken(jobs).token
    clock.now_ms += LEASE_MS
    assert jobs.run(commands.reclaim_expired(3)) == [("a", Queue.PREPARE)]
    before = state(jobs)
    writes = [
        commands.renew("a", old, LEASE_MS, PROGRESS),
        commands.hand_over("a", old, Queue.RENDER, "jobs/a/p", []),
        commands.succeed("a", old, {Output.RESULT: "jobs/a/late.mp4"}, []),
        commands.fail("a", old, NO_PERSON),
        commands.end_canceled("a", old),
        commands.release("a", old),
    ]
    assert [jobs.run(write) for write in writes] == [LeaseStatus.LOST] * len(writes)
    assert state(jobs) == before
    assert taken(jobs).token > old
    assert [jobs.run(write) for write in writes] == [LeaseStatus.LOST] * len(writes)


def test_renewed_lease_is_not_reclaimed(jobs: JobStore, clock: Clock) -> None:
    created(jobs)
    token = taken(jobs).token
    clock.now_ms += LEASE_MS - 1
    jobs.run(commands.renew("a", token, LEASE_MS))
    clock.now_ms += LEASE_MS - 1
    assert jobs.run(commands.reclaim_expired(3)) == []
    assert state(jobs).state is JobState.PREPARING


def test_job_fails_after_three_lost_workers(jobs: JobStore, clock: Clock) -> None:
    created(jobs)
    for _ in range(3):
        taken(jobs)
        clock.now_ms += LEASE_MS
        jobs.run(commands.reclaim_expired(3))
    ended = state(jobs)
    assert ended.state is JobState.FAILED
    assert ended.error is not None
    assert (ended.error.code, ended.error.stage) == (ErrorCode.WORKER_LOST, "prepare")
    assert jobs.run(commands.claim("a", Queue.PREPARE, "w", LEASE_MS)) is None


def test_released_job_keeps_position_and_attempt_count(jobs: JobStore, clock: Clock) -> None:
    created(jobs)
    token = taken(jobs).token
    clock.now_ms += 1
    created(jobs, "b")
    assert jobs.run(commands.release("a", token)) is LeaseStatus.HELD
    snapshot = jobs.run(commands.read("a"))
    assert snapshot is not None
    assert (snapshot.position, snapshot.record.attempts) == (0, 0)


def test_waiting_job_is_canceled_immediately(jobs: JobStore) -> None:
    created(jobs)
    for _ in range(2):
        record = jobs.run(commands.cancel("a"))
        assert record is not None
        assert record.state is JobState.CANCELED
    assert jobs.run(commands.claim("a", Queue.PREPARE, "w", LEASE_MS)) is None
    assert jobs.run(commands.cancel("missing")) is None


@pytest.mark.parametrize("ending", ["succeed", "fail", "hand_over", "release", "lost", "stop"])
def test_accepted_cancel_overrides_worker_outcome(
    jobs: JobStore, clock: Clock, ending: str
) -> None:
    created(jobs)
    token = taken(jobs).token
    record = jobs.run(commands.cancel("a"))
    assert record is not None
    assert (record.state, record.cancel_requested) == (JobState.PREPARING, True)
    assert jobs.run(commands.renew("a", token, LEASE_MS)) is LeaseStatus.CANCEL
    endings: dict[str, Command[Any]] = {
        "succeed": commands.succeed("a", token, {}, []),
        "fail": commands.fail("a", token, NO_PERSON),
        "hand_over": commands.hand_over("a", token, Queue.RENDER, "jobs/a/p", []),
        "release": commands.release("a", token),
        "stop": commands.end_canceled("a", token),
        "lost": commands.reclaim_expired(3),
    }
    clock.now_ms += LEASE_MS
    jobs.run(endings[ending])
    ended = state(jobs)
    assert (ended.state, ended.outputs, ended.error) == (JobState.CANCELED, {}, None)


def test_ended_job_never_changes(jobs: JobStore, clock: Clock) -> None:
    created(jobs)
    token = taken(jobs).token
    jobs.run(commands.fail("a", token, NO_PERSON))
    ended = state(jobs)
    clock.now_ms += 10 * LEASE_MS
    jobs.run(commands.cancel("a"))
    jobs.run(commands.reclaim_expired(3))
    jobs.run(commands.succeed("a", token, {}, []))
    assert state(jobs) == ended
    assert ended.error == NO_PERSON


def test_hint_is_resent_only_if_none_is_queued(jobs: JobStore, clock: Clock) -> None:
    created(jobs)
    unhinted = presence.jobs_missing_hints(Queue.PREPARE, age_ms=3000)
    assert jobs.run(unhinted) == []
    clock.now_ms += 3000
    jobs.redis.lpush(Queue.PREPARE.task, "a hint")
    assert jobs.run(unhinted) == []
    jobs.redis.delete(Queue.PREPARE.task)
    assert jobs.run(unhinted) == ["a"]
    assert jobs.run(unhinted) == []


def test_worker_without_heartbeat_is_removed(jobs: JobStore, clock: Clock) -> None:
    info = WorkerInfo(id="w1", queues=(Queue.RENDER,), preset="mini", ready=True)
    jobs.run(presence.heartbeat(info, ttl_ms=100))
    assert jobs.run(presence.workers()) == [info]
    clock.now_ms += 101
    assert jobs.run(presence.workers()) == []
    jobs.run(presence.heartbeat(info, ttl_ms=100))
    jobs.run(presence.deregister("w1"))
    assert jobs.run(presence.workers()) == []


def test_role_has_one_holder(jobs: JobStore) -> None:
    assert jobs.run(presence.hold_role("reconciler", "w1", 60_000))
    assert jobs.run(presence.hold_role("reconciler", "w1", 60_000))
    assert not jobs.run(presence.hold_role("reconciler", "w2", 60_000))
