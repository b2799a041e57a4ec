"""The clients follow a job's events over lines that break, and agree with who only polls."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from service.client import AsyncClient, Client, Retries
from service.contract.errors import ErrorCode, JobError
from service.contract.events import EventKind
from service.contract.queues import Queue
from service.contract.views import JobView
from service.errors import ProblemError, UnreachableError
from service.settings import Settings
from service.stores.job_store import commands
from service.stores.job_store.store import Jobs
from tests.service.driver import Driver
from tests.service.flaky_line import FlakyLine, flaky_line
from tests.service.gateway import running_gateway
from tests.service.web import Web, web_server

# A stream begins with about 250 bytes of headers, and an event of these jobs has about 1000.
CUTS = (3000, 1900, 4500)


@pytest.fixture
def url(folder_settings: Settings) -> Iterator[str]:
    with running_gateway(folder_settings) as url:
        yield url


@pytest.fixture
def line(url: str) -> Iterator[FlakyLine]:
    """A line to the gateway that breaks when it is told to."""
    with flaky_line(port_of(url)) as line:
        yield line


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as web:
        yield web


@pytest.fixture
def driver(jobs: Jobs) -> Driver:
    return Driver(jobs)


def port_of(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def patient(url: str) -> Client:
    """A client that does not wait between its tries."""
    return Client(url, pause=lambda seconds: None)


def timeless(job: JobView) -> dict[str, Any]:
    """The job without its estimate, which passes with time."""
    return job.model_dump(exclude={"eta"})


def test_events_agree_with_polling_at_every_step_of_20_jobs_over_three_cuts_each(
    url: str, line: FlakyLine, jobs: Jobs
) -> None:
    with Client(url) as poller:
        for number in range(20):
            line.connections = 0
            line.cuts.extend(cut + 37 * number for cut in CUTS)
            driver = Driver(jobs, f"job{number}")
            with patient(line.url) as reader:
                seen: list[int] = []
                events = reader.events(driver.id)
                for change in driver.life():
                    change()
                    event, polled = next(events), poller.job(driver.id)
                    assert timeless(event.job) == timeless(polled)
                    seen.append(event.id)
                assert list(events) == []
            assert seen == list(range(1, 14))
            assert (line.connections, list(line.cuts)) == (4, [])


def test_the_awaited_client_follows_over_cuts_as_well(
    url: str, line: FlakyLine, driver: Driver
) -> None:
    async def follow() -> list[int]:
        seen = []
        async with AsyncClient(line.url, pause=lambda seconds: asyncio.sleep(0)) as client:
            changes = driver.life()
            next(changes)()
            async for event in client.events(driver.id):
                assert timeless(event.job) == timeless(await client.job(driver.id))
                seen.append(event.id)
                next(changes, lambda: None)()
        return seen

    line.cuts.extend(CUTS)
    assert asyncio.run(follow()) == list(range(1, 14))
    assert not line.cuts


def test_events_go_on_when_the_gateway_is_replaced(
    folder_settings: Settings, driver: Driver
) -> None:
    driver.create()
    with flaky_line(0) as line, Client(line.url) as client:
        with running_gateway(folder_settings) as url:
            line.upstream = port_of(url)
            events = client.events(driver.id)
            assert next(events).id == 1
        driver.take(Queue.PREPARE)
        with running_gateway(folder_settings) as url:
            line.upstream = port_of(url)
            assert next(events).id == 2
            events.close()


def test_events_may_begin_anywhere_and_end_with_the_job(url: str, driver: Driver) -> None:
    for change in driver.life():
        change()
    with Client(url) as client:
        assert [event.id for event in client.events(driver.id, last_event_id=10)] == [11, 12, 13]
        assert list(client.events(driver.id, last_event_id=13)) == []
        first = next(client.events(driver.id))
        assert (first.id, first.kind, first.job.status) == (1, EventKind.STATE, "queued")
        with pytest.raises(ProblemError, match="job_not_found"):
            list(client.events("nobody"))


def test_a_text_may_hold_every_kind_of_line_end(url: str, driver: Driver, jobs: Jobs) -> None:
    detail = "one\u2028two\x85three\x0bfour\r\n\n: five"
    driver.create()
    driver.take(Queue.PREPARE)
    error = JobError.of(ErrorCode.NO_PERSON, detail, stage="prepare")
    jobs.run(commands.fail(driver.id, driver.token, error))
    with Client(url) as client:
        [*_, last] = client.events(driver.id)
    assert last.job.error is not None
    assert last.job.error.detail == detail


def test_patience_ends_when_nobody_answers() -> None:
    pauses: list[float] = []
    retries = Retries(tries=3)
    with Client("http://127.0.0.1:1", pause=pauses.append, retries=retries) as client:
        with pytest.raises(UnreachableError, match="no answer from"):
            list(client.events("a"))
    assert pauses == [0.5, 1.0]


def test_streams_that_break_again_and_again_are_given_up(line: FlakyLine, driver: Driver) -> None:
    pauses: list[float] = []
    driver.create()
    line.cuts.extend([1500] + [400] * 20)
    retries = Retries(reconnects=4)
    with Client(line.url, pause=pauses.append, retries=retries) as client:
        events = client.events(driver.id)
        assert next(events).id == 1
        driver.take(Queue.PREPARE)
        with pytest.raises(UnreachableError):
            next(events)
    assert pauses == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/event-stream"}])
def test_what_sends_no_events_is_told(web: Web, headers: dict[str, str]) -> None:
    web.page("/jobs/a/events", b"id: 1\ndata: <html>\n\n", headers=headers)
    with Client(web.url) as client, pytest.raises(UnreachableError, match="no event"):
        list(client.events("a"))


@pytest.mark.parametrize("no_streams", [False, True], ids=["events", "polling"])
def test_waiting_follows_events_and_polls_where_none_come_through(
    line: FlakyLine, driver: Driver, no_streams: bool
) -> None:
    line.no_streams = no_streams
    changes = driver.life()
    next(changes)()
    versions: list[int] = []
    work = from_each(changes)

    def on_update(job: JobView) -> None:
        versions.append(job.version)
        work()

    with patient(line.url) as client:
        job = client.wait(driver.id, on_update)
    assert (job.status, job.version) == ("succeeded", 13)
    assert versions == sorted(versions)
    assert set(versions) == set(range(1, 14))


def test_nothing_is_polled_while_events_come(url: str, driver: Driver) -> None:
    driver.create()
    driver.take(Queue.PREPARE)
    steps = iter(range(1, 21))

    def on_update(job: JobView) -> None:
        number = next(steps, None)
        driver.advance(number) if number is not None else driver.succeed()

    pauses: list[float] = []
    with Client(url, pause=pauses.append) as client:
        assert client.wait(driver.id, on_update).version == 23
    assert pauses == []


def test_both_clients_offer_the_same() -> None:
    assert offered(Client) == offered(AsyncClient)


def offered(client: type) -> dict[str, Any]:
    """The public methods with their parameters' names and what they say of themselves."""
    return {
        name: (list(inspect.signature(member).parameters), inspect.getdoc(member))
        for name, member in inspect.getmembers(client, inspect.isfunction)
        if not name.startswith("_")
    }


def from_each(changes: Iterator[Callable[[], None]]) -> Callable[[], None]:
    """Does the next change; nothing once there is none left."""
    return lambda: next(changes, lambda: None)()
