"""The Lua scripts, and the blocking and async stores that run them."""

from __future__ import annotations

import asyncio
import re
import time
from importlib import resources
from typing import Any

import pytest

from service.auth.key_secrets import id_of
from service.contract.callers import CallerLimits
from service.contract.job import JobKind
from service.contract.queues import Queue
from service.contract.states import TRANSITIONS, JobState
from service.errors import UnavailableError
from service.stores.job_store import (
    commands,
    counts,
    estimates,
    events,
    keys,
    presence,
    sessions,
    uploads,
)
from service.stores.job_store.commands import Command
from service.stores.job_store.snapshots import JobSnapshot
from service.stores.job_store.store import READING, AsyncJobStore, JobStore, scripts
from service.stores.job_store.uploads import Upload
from tests.service.api_keys import new_key
from tests.service.stores.job_store.records import created

DEFINITION = re.compile(r"^local (?:function )?(\w+)", re.MULTILINE)


def test_server_time_is_used_without_a_clock(redis_url: str) -> None:
    jobs = JobStore.connect(redis_url)
    record = created(jobs)
    jobs.close()
    assert abs(record.created_ms - clock_ms()) < 60_000


def test_async_store_runs_the_same_commands(redis_url: str, jobs: JobStore) -> None:
    record = created(jobs)

    async def read() -> JobSnapshot | None:
        store = AsyncJobStore.connect(redis_url)
        try:
            return await store.run(commands.read("a"))
        finally:
            await store.close()

    snapshot = asyncio.run(read())
    assert snapshot is not None
    assert (snapshot.record, snapshot.position) == (record, 0)


def test_missing_server_raises_unavailable_error(unused_url: str) -> None:
    jobs = JobStore.connect(unused_url)
    with pytest.raises(UnavailableError, match="job store"):
        jobs.run(commands.read("a"))


def test_scripts_contain_every_transition() -> None:
    texts = scripts()
    assert set(texts) >= {"create", "claim_job", "renew", "finish", "cancel", "reclaim_expired"}
    for source, targets in TRANSITIONS.items():
        row = ", ".join(f"{target} = true" for target in sorted(targets))
        assert f"{source} = {{{row}}}" in texts["claim_job"]


def test_scripts_require_the_parts_that_they_use() -> None:
    """A missing part would fail only in the branch that uses it."""
    folder = resources.files("service.stores.job_store") / "lua" / "lib"
    parts = "".join(file.read_text() for file in folder.iterdir())
    for script, text in scripts().items():
        code = re.sub(r"--.*|'[^']*'", "", text)
        for name in re.findall(DEFINITION, parts):
            if re.search(rf"(?<![.\w]){name}\b", code):
                assert name in re.findall(DEFINITION, code), f"{script} uses {name}"


def test_reading_scripts_run_read_only_on_the_server(jobs: JobStore) -> None:
    created(jobs)
    jobs.run(uploads.register_upload(Upload(id="u", caller="me", max_bytes=9), 10**14))
    key_id = id_of(new_key(jobs, "me")) or ""
    jobs.run(sessions.put_session("d", key_id, 10**6))
    pace: dict[Any, Any] = {"per_unit": "1", "base": "0", "per_job": "1", "estimates": "0"}
    jobs.redis.hset("tcan:pace:animate:means", mapping=pace)
    reading: list[Command[Any]] = [
        commands.read("a"),
        commands.check_lease("a", 1),
        commands.recent(5),
        uploads.read_uploads(["u"]),
        uploads.list_uploads("me", 5),
        events.events("a", 0),
        events.moved({"a": 7}),
        counts.service_stats(),
        presence.count_hints([Queue.RENDER]),
        keys.read_key(key_id),
        keys.list_keys(),
        sessions.read_session("d"),
        estimates.estimate_job(JobKind.ANIMATE, 1),
        keys.any_key(),
        keys.usage("me"),
        keys.storage("me", 0, 10),
        keys.check_quota("me", CallerLimits(queued_jobs=1), 1),
    ]
    jobs.redis.lpush(Queue.RENDER.task, "a hint")
    assert {call.script for call in reading} == READING
    for call in reading:
        text = scripts()[call.script]
        assert jobs.redis.eval_ro(text, 1, "tcan:", call.encode())


def test_terminal_states_are_succeeded_failed_canceled() -> None:
    terminal = {state for state in JobState if state.is_terminal}
    assert terminal == {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELED}
    assert {state for state in JobState if state.is_leased} == {queue.state for queue in Queue}


def clock_ms() -> int:
    """Return this machine's time in ms."""
    return int(time.time() * 1000)
