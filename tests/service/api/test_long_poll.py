"""`Prefer: wait` ends with the job or at its deadline, without polling."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from service.api.long_poll import wait_for_end
from service.auth.authenticator import Caller
from service.contract.job import ANONYMOUS
from service.contract.queues import Queue
from service.contract.states import JobState
from service.gateway import Gateway, open_gateway, read_config
from service.settings import Settings
from service.stores.job_store import commands
from service.stores.job_store.snapshots import JobSnapshot
from service.stores.job_store.store import JobStore
from tests.servers import GUARD_S, valkey
from tests.service.job_driver import JobDriver

Waits = Callable[[float], Awaitable[JobSnapshot]]


@pytest.fixture
def driver(jobs: JobStore) -> JobDriver:
    made = JobDriver(jobs, "waited-for")
    made.create()
    return made


def waiting(
    settings: Settings,
    snapshot: JobSnapshot,
    use: Callable[[Gateway, Waits], Awaitable[JobSnapshot]],
) -> JobSnapshot:
    """Run `use` with a gateway and return its result."""

    async def act() -> JobSnapshot:
        async with open_gateway(settings, read_config(settings)) as gateway:

            async def wait(seconds: float) -> JobSnapshot:
                return await wait_for_end(gateway, Caller(ANONYMOUS), snapshot, seconds)

            return await use(gateway, wait)

    return asyncio.run(act())


@contextmanager
def asked_of(redis: Redis, job_id: str) -> Iterator[list[str]]:
    """Record the scripts that are called for a job within a `with` block."""
    found: list[str] = []
    listens = threading.Event()

    def listen() -> None:
        with redis.monitor() as monitor:  # type: ignore[no-untyped-call]
            listens.set()
            for entry in monitor.listen():
                command = str(entry["command"])
                if command.startswith("ECHO"):
                    return
                if command.startswith("EVALSHA") and job_id in command:
                    found.append(command)

    thread = threading.Thread(target=listen)
    thread.start()
    assert listens.wait(GUARD_S)
    yield found
    redis.echo("that is all")
    thread.join(GUARD_S)


def test_long_poll_ends_at_its_deadline_without_polling_redis(
    folder_settings: Settings, driver: JobDriver
) -> None:
    assert wait_a_second(folder_settings, driver) >= 1.0


@pytest.mark.slow
def test_long_poll_exceeds_its_deadline_by_less_than_half_a_second(
    folder_settings: Settings, driver: JobDriver
) -> None:
    assert wait_a_second(folder_settings, driver) < 1.5


def wait_a_second(folder_settings: Settings, driver: JobDriver) -> float:
    """Wait one second for a job that does not end; return the duration."""
    waited_s: list[float] = []

    async def use(gateway: Gateway, wait: Waits) -> JobSnapshot:
        began_s = time.monotonic()
        snapshot = await wait(1.0)
        waited_s.append(time.monotonic() - began_s)
        assert gateway.events.watched == {}
        return snapshot

    before = driver.snapshot()
    with asked_of(driver.jobs.redis, driver.id) as asked:
        snapshot = waiting(folder_settings, before, use)
    assert snapshot.record.state is JobState.QUEUED
    # Whether something happened before it listened, once more when the subscription stands and when
    # the script is new to the server; and how the job stands at the end.
    assert len(asked) <= 4, asked
    return waited_s[0]


def test_long_poll_ends_with_the_job_after_other_events(
    folder_settings: Settings, driver: JobDriver
) -> None:
    async def use(gateway: Gateway, wait: Waits) -> JobSnapshot:
        waits = asyncio.ensure_future(wait(60.0))
        for change in list(driver.life())[1:]:
            await asyncio.to_thread(change)
            await asyncio.sleep(0)
        return await waits

    snapshot = waiting(folder_settings, driver.snapshot(), use)
    assert (snapshot.record.state, snapshot.record.version) == (JobState.SUCCEEDED, 13)


def test_long_poll_notices_an_end_seen_by_another_reader(
    folder_settings: Settings, driver: JobDriver
) -> None:
    before = driver.snapshot()
    driver.jobs.run(commands.cancel(driver.id))

    async def use(gateway: Gateway, wait: Waits) -> JobSnapshot:
        async with gateway.events.watch(driver.snapshot()):
            return await wait(60.0)

    assert waiting(folder_settings, before, use).record.state is JobState.CANCELED


def test_long_poll_ends_when_the_gateway_shuts_down(
    folder_settings: Settings, driver: JobDriver
) -> None:
    async def use(gateway: Gateway, wait: Waits) -> JobSnapshot:
        waits = asyncio.ensure_future(wait(60.0))
        while not gateway.events.watched:
            await asyncio.sleep(0)
        driver.take(Queue.PREPARE)
        gateway.events.close_streams()
        return await waits

    snapshot = waiting(folder_settings, driver.snapshot(), use)
    assert snapshot.record.state is JobState.PREPARING


def test_long_poll_returns_the_last_view_when_redis_is_lost(tmp_path: Path) -> None:
    with valkey(tmp_path) as (url, server):
        settings = Settings.model_validate({"data": tmp_path / "data", "redis_url": url})
        jobs = JobStore.connect(url)
        driver = JobDriver(jobs)
        driver.create()
        before = driver.snapshot()
        jobs.close()

        async def use(gateway: Gateway, wait: Waits) -> JobSnapshot:
            server.kill()
            server.wait()
            return await wait(1.0)

        assert waiting(settings, before, use) is before
