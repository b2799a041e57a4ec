"""A job store with full memory refuses new jobs and lets the others finish."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.states import JobState
from service.errors import UnavailableError
from service.stores.job_store import commands, presence
from service.stores.job_store.snapshots import LeaseStatus
from service.stores.job_store.store import NEW_WORK, READING, JobStore, scripts
from tests.service.stores.job_store.records import INPUTS, NO_PERSON, PROGRESS, state

LEASE_MS = 60_000


@pytest.fixture
def full(jobs: JobStore) -> Iterator[JobStore]:
    """Return a store with two jobs, one of them leased, and full memory."""
    for job_id in ("a", "b"):
        jobs.run(commands.create(job_id, JobParams(), INPUTS, options=JobOptions(ttl_s=60)))
    assert jobs.run(commands.claim("a", Queue.PREPARE, "w", LEASE_MS)) is not None
    jobs.redis.config_set("maxmemory-policy", "noeviction")
    jobs.redis.config_set("maxmemory", 1)
    yield jobs
    jobs.redis.config_set("maxmemory", 0)


def test_new_jobs_are_refused_while_memory_is_full(full: JobStore) -> None:
    keys = full.redis.dbsize()
    with pytest.raises(UnavailableError):
        full.run(commands.create("c", JobParams(), INPUTS))
    assert (full.redis.dbsize(), full.run(commands.read("c"))) == (keys, None)
    full.redis.config_set("maxmemory", 0)
    assert full.run(commands.create("c", JobParams(), INPUTS)).position == 1


def test_running_jobs_finish_while_memory_is_full(full: JobStore) -> None:
    assert full.run(commands.renew("a", 1, LEASE_MS, PROGRESS)) is LeaseStatus.HELD
    assert full.run(presence.hold_role("reconciler", "w", LEASE_MS))
    assert full.run(commands.fail("a", 1, NO_PERSON)) is LeaseStatus.HELD
    assert state(full, "a").state is JobState.FAILED
    assert full.run(commands.claim_next(Queue.PREPARE, "w", LEASE_MS)) is not None
    assert full.run(commands.reclaim_expired(3)) == []
    assert full.run(commands.expire_deadlines()) == []


def test_ended_jobs_can_be_erased_while_memory_is_full(full: JobStore) -> None:
    full.run(commands.cancel("b"))
    assert full.run(commands.erase("b")) is JobState.CANCELED
    assert full.run(commands.read("b")) is None


def test_script_flags_match_reading_and_new_work_sets() -> None:
    first_lines = {name: text.splitlines()[0] for name, text in scripts().items()}
    assert READING | NEW_WORK <= set(first_lines)
    for name, line in first_lines.items():
        kind = "no-writes" if name in READING else "" if name in NEW_WORK else "allow-oom"
        assert line == f"#!lua flags={kind}".removesuffix(" flags=")
