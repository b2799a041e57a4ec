"""The clients follow a job's events over broken connections; events agree with polling."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from service.contract.errors import ErrorCode, JobError
from service.contract.queues import Queue
from service.settings import Settings
from service.stores.job_store import commands
from service.stores.job_store.store import JobStore
from tcan_client import (
    AsyncClient,
    Client,
    EventKind,
    Job,
    ProblemError,
    Retries,
    UnreachableError,
)
from tests.service.flaky_proxy import FlakyProxy, flaky_proxy
from tests.service.gateway import running_gateway
from tests.service.job_driver import JobDriver
from tests.service.web import Web, web_server

# A stream begins with about 250 bytes of headers, and an event of these jobs has about 1000.
CUTS = (3000, 1900, 4500)


@pytest.fixture
def url(folder_settings: Settings) -> Iterator[str]:
    with running_gateway(folder_settings) as url:
        yield url


@pytest.fixture
def proxy(url: str) -> Iterator[FlakyProxy]:
    """A proxy to the gateway that can break connections."""
    with flaky_proxy(port_of(url)) as proxy:
        yield proxy


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as web:
        yield web


@pytest.fixture
def driver(jobs: JobStore) -> JobDriver:
    return JobDriver(jobs)


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def client_without_pauses(url: str) -> Client:
    """Return a client that does not pause between attempts."""
    return Client(url, pause=lambda seconds: None)


def without_eta(job: Job) -> dict[str, Any]:
    """Return the job without its estimate, which changes with time."""
    return job.model_dump(exclude={"eta"})


@pytest.mark.long
def test_events_equal_polled_views_for_20_jobs_with_three_broken_connections_each(
    url: str, proxy: FlakyProxy, jobs: JobStore
) -> None:
    with Client(url) as poller:
        for number in range(20):
            proxy.connections = 0
            proxy.cuts.extend(cut + 37 * number for cut in CUTS)
            driver = JobDriver(jobs, f"job{number}")
            with client_without_pauses(proxy.url) as reader:
                seen: list[int] = []
                events = reader.events(driver.id)
                for change in driver.life():
                    change()
                    event, polled = next(events), poller.job(driver.id)
                    assert without_eta(event.job) == without_eta(polled)
                    seen.append(event.id)
                assert list(events) == []
            assert seen == list(range(1, 14))
            assert (proxy.connections, list(proxy.cuts)) == (4, [])


def test_async_client_follows_events_over_broken_connections(
    url: str, proxy: FlakyProxy, driver: JobDriver
) -> None:
    async def follow() -> list[int]:
        seen = []
        async with AsyncClient(proxy.url, pause=lambda seconds: asyncio.sleep(0)) as client:
            changes = driver.life()
            next(changes)()
            async for event in client.events(driver.id):
                assert without_eta(event.job) == without_eta(await client.job(driver.id))
                seen.append(event.id)
                next(changes, lambda: None)()
        return seen

    proxy.cuts.extend(CUTS)
    assert asyncio.run(follow()) == list(range(1, 14))
    assert not proxy.cuts


@pytest.mark.long
def test_events_resume_when_the_gateway_is_replaced(
    folder_settings: Settings, driver: JobDriver
) -> None:
    driver.create()
    with flaky_proxy(0) as proxy, Client(proxy.url) as client:
        with running_gateway(folder_settings) as url:
            proxy.upstream = port_of(url)
            events = client.events(driver.id)
            assert next(events).id == 1
        driver.take(Queue.PREPARE)
        with running_gateway(folder_settings) as url:
            proxy.upstream = port_of(url)
            assert next(events).id == 2
            events.close()


def test_events_start_after_the_given_id_and_end_with_the_job(url: str, driver: JobDriver) -> None:
    for change in driver.life():
        change()
    with Client(url) as client:
        assert [event.id for event in client.events(driver.id, last_event_id=10)] == [11, 12, 13]
        assert list(client.events(driver.id, last_event_id=13)) == []
        first = next(client.events(driver.id))
        assert (first.id, first.kind, first.job.status) == (1, EventKind.STATE, "queued")
        with pytest.raises(ProblemError, match="job_not_found"):
            list(client.events("missing"))


def test_event_text_may_contain_any_line_separator(
    url: str, driver: JobDriver, jobs: JobStore
) -> None:
    detail = "one\u2028two\x85three\x0bfour\r\n\n: five"
    driver.create()
    driver.take(Queue.PREPARE)
    error = JobError.of(ErrorCode.NO_PERSON, detail, stage="prepare")
    jobs.run(commands.fail(driver.id, driver.token, error))
    with Client(url) as client:
        [*_, last] = client.events(driver.id)
    assert last.job.error is not None
    assert last.job.error.detail == detail


def test_events_raise_after_retries_when_the_service_is_unreachable() -> None:
    pauses: list[float] = []
    retries = Retries(tries=3)
    with Client("http://127.0.0.1:1", pause=pauses.append, retries=retries) as client:
        with pytest.raises(UnreachableError, match="no answer from"):
            list(client.events("a"))
    assert pauses == [0.5, 1.0]


def test_events_raise_when_streams_keep_breaking(proxy: FlakyProxy, driver: JobDriver) -> None:
    pauses: list[float] = []
    driver.create()
    proxy.cuts.extend([2000] + [400] * 20)
    retries = Retries(reconnects=4)
    with Client(proxy.url, pause=pauses.append, retries=retries) as client:
        events = client.events(driver.id)
        assert next(events).id == 1
        driver.take(Queue.PREPARE)
        with pytest.raises(UnreachableError):
            next(events)
    assert pauses == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/event-stream"}])
def test_response_without_events_is_reported(web: Web, headers: dict[str, str]) -> None:
    web.page("/jobs/a/events", b"id: 1\ndata: <html>\n\n", headers=headers)
    with (
        Client(web.url) as client,
        pytest.raises(UnreachableError, match="not an event|sends no events"),
    ):
        list(client.events("a"))


@pytest.mark.parametrize("no_streams", [False, True], ids=["events", "polling"])
def test_wait_uses_events_and_falls_back_to_polling(
    proxy: FlakyProxy, driver: JobDriver, no_streams: bool
) -> None:
    proxy.no_streams = no_streams
    changes = driver.life()
    next(changes)()
    versions: list[int] = []
    work = step_through(changes)

    def on_update(job: Job) -> None:
        versions.append(job.version)
        work()

    with client_without_pauses(proxy.url) as client:
        job = client.wait(driver.id, on_update)
    assert (job.status, job.version) == ("succeeded", 13)
    assert versions == sorted(versions)
    assert set(versions) == set(range(1, 14))


def test_wait_does_not_poll_while_events_arrive(url: str, driver: JobDriver) -> None:
    driver.create()
    driver.take(Queue.PREPARE)
    steps = iter(range(1, 21))

    def on_update(job: Job) -> None:
        number = next(steps, None)
        driver.advance(number) if number is not None else driver.succeed()

    pauses: list[float] = []
    with Client(url, pause=pauses.append) as client:
        assert client.wait(driver.id, on_update).version == 23
    assert pauses == []


def test_blocking_client_is_generated_from_the_async_one(repository: Path) -> None:
    generator = repository / "tools" / "generate_sync_client.py"
    subprocess.run([sys.executable, generator, "--check"], check=True)


def step_through(changes: Iterator[Callable[[], None]]) -> Callable[[], None]:
    """Return a function that makes the next change, or none after the last."""
    return lambda: next(changes, lambda: None)()
