"""The scripts of the job store, and the two ways to run them."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from service.auth.key_secrets import id_of
from service.contract.callers import CallerLimits
from service.contract.queues import Queue
from service.contract.states import TRANSITIONS, JobState
from service.errors import UnavailableError
from service.stores.job_store import commands, counts, events, keys, presence, requests
from service.stores.job_store.commands import Call
from service.stores.job_store.requests import Upload
from service.stores.job_store.store import READING, AsyncJobs, Jobs, scripts
from tests.service.keyholders import new_key
from tests.service.stores.job_store.records import created


def test_without_a_clock_the_servers_time_counts(redis_url: str) -> None:
    jobs = Jobs.connect(redis_url)
    record = created(jobs)
    jobs.close()
    assert abs(record.created_ms - clock_ms()) < 60_000


def test_the_gateway_awaits_the_same_calls(redis_url: str, jobs: Jobs) -> None:
    record = created(jobs)

    async def read() -> commands.Placed | None:
        store = AsyncJobs.connect(redis_url)
        try:
            return await store.run(commands.read("a"))
        finally:
            await store.close()

    placed = asyncio.run(read())
    assert placed is not None
    assert (placed.record, placed.position) == (record, 0)


def test_a_server_that_is_gone_is_unavailable(unused_url: str) -> None:
    jobs = Jobs.connect(unused_url)
    with pytest.raises(UnavailableError, match="job store"):
        jobs.run(commands.read("a"))


def test_the_scripts_know_every_transition() -> None:
    texts = scripts()
    assert set(texts) >= {"create", "take", "renew", "finish", "cancel", "take_back"}
    for source, targets in TRANSITIONS.items():
        row = ", ".join(f"{target} = true" for target in sorted(targets))
        assert f"{source} = {{{row}}}" in texts["take"]


def test_the_server_agrees_that_reading_scripts_write_nothing(jobs: Jobs) -> None:
    created(jobs)
    jobs.run(requests.note_upload(Upload(id="u", caller="me", max_bytes=9), 60_000))
    key_id = id_of(new_key(jobs, "me")) or ""
    reading: list[Call[Any]] = [
        commands.read("a"),
        commands.ask("a", 1),
        commands.recent(5),
        requests.read_uploads(["u"]),
        events.events("a", 0),
        counts.snapshot(),
        presence.waiting_hints([Queue.RENDER]),
        keys.read_key(key_id),
        keys.list_keys(),
        keys.any_key(),
        keys.room_for_a_job("me", CallerLimits(queued_jobs=1), 1),
    ]
    jobs.redis.lpush(Queue.RENDER.task, "a hint")
    assert {call.script for call in reading} == READING
    for call in reading:
        text = scripts()[call.script]
        assert jobs.redis.eval_ro(text, 1, "tcan:", "", *map(str, call.arguments))


def test_only_the_three_endings_are_terminal() -> None:
    terminal = {state for state in JobState if state.is_terminal}
    assert terminal == {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELED}
    assert {state for state in JobState if state.is_leased} == {queue.state for queue in Queue}


def clock_ms() -> int:
    """Now, by this machine."""
    return int(time.time() * 1000)
