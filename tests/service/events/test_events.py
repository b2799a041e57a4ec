"""Events of jobs: they agree with polling, can be replayed, and do not delay other work."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from service.api.app import create_app
from service.api.routes.events import HEARTBEAT, RETRY, read_events
from service.auth.stream_revocation import StreamRevoker
from service.contract.events import EventKind
from service.contract.queues import Queue
from service.events.feed import MAX_FRAMES
from service.events.hub import EventHub
from service.settings import Settings
from service.stores.job_store import commands, events, retention
from service.stores.job_store.snapshots import JobSnapshot
from service.stores.job_store.store import AsyncJobStore, JobStore
from service.views.messages import event_frame
from tests.servers import GUARD_S
from tests.service.job_driver import BROKEN, LEASE_MS, JobDriver, step
from tests.service.served import ReceivedEvent, ReconnectingReader, served
from tests.service.served import read_events as parse_events

# Versions of the changes of state in `JobDriver.life`, which are kept when the job has ended.
STATE_VERSIONS = (1, 2, 3, 4, 5, 6, 10, 11, 13)


@pytest.fixture
def driver(jobs: JobStore) -> JobDriver:
    return JobDriver(jobs)


@pytest.fixture
def http(folder_settings: Settings) -> Iterator[httpx.Client]:
    """A client of a gateway behind a real socket."""
    with (
        served(create_app(folder_settings)) as url,
        httpx.Client(base_url=url, timeout=GUARD_S) as client,
    ):
        yield client


def event_content(snapshot: JobSnapshot) -> dict[str, Any]:
    """Return the part of a snapshot that events contain."""
    hidden = {"worker", "prepared", "previews", "contract"}
    return {"position": snapshot.position, **snapshot.record.model_dump(exclude=hidden)}


def test_each_change_is_one_event_that_tells_what_a_read_tells(driver: JobDriver) -> None:
    for number, change in enumerate(driver.life(), 1):
        change()
        [event] = driver.events(after=number - 1)
        assert event.version == number == driver.snapshot().record.version
        assert event_content(event.snapshot) == event_content(driver.snapshot())
    kinds = [event.kind for event in driver.events()]
    assert kinds == [EventKind.STATE] * 6 + [
        EventKind.PREVIEW,
        EventKind.PROGRESS,
        EventKind.PROGRESS,
        EventKind.STATE,
        EventKind.STATE,
        EventKind.PROGRESS,
        EventKind.STATE,
    ]
    states = [event.snapshot.record.state for event in driver.events()]
    assert (states[0], states[2], states[-1]) == ("queued", "queued", "succeeded")


def test_unchanged_job_emits_no_event(driver: JobDriver, jobs: JobStore) -> None:
    driver.create()
    driver.create()
    driver.take(Queue.PREPARE)
    jobs.run(commands.renew("a", driver.token, LEASE_MS))
    jobs.run(commands.renew("a", 99, LEASE_MS, step(1)))
    assert len(driver.events()) == 2
    jobs.run(commands.cancel("a"))
    jobs.run(commands.cancel("a"))
    assert [event.kind for event in driver.events(after=2)] == [EventKind.CANCEL]
    jobs.run(commands.fail("a", driver.token, BROKEN))
    jobs.run(commands.fail("a", driver.token, BROKEN))
    jobs.run(commands.cancel("a"))
    [end] = driver.events(after=3)
    assert end.snapshot.record.state == "canceled"
    assert jobs.run(events.events("missing", 0)) == []


def test_events_are_erased_with_their_job(driver: JobDriver, jobs: JobStore) -> None:
    driver.create()
    jobs.run(commands.cancel("a"))
    jobs.run(commands.erase("a"))
    assert driver.events() == []
    assert jobs.redis.keys("tcan:events:*") == []


def test_job_that_is_released_again_and_again_keeps_its_last_events(
    http: httpx.Client, driver: JobDriver, jobs: JobStore
) -> None:
    """As during an outage of the object store; earlier readers see a gap, and then the end."""
    driver.create()
    driver.take(Queue.PREPARE)
    found: Any = jobs.redis.xrevrange("tcan:events:a", count=1)
    [(_, last)] = found
    with jobs.redis.pipeline(transaction=False) as pipe:
        for version in range(3, 12_001):
            pipe.xadd("tcan:events:a", last, id=f"{version}-0")
        pipe.hset("tcan:job:a", "version", 12_000)
        pipe.execute()
    driver.release()
    # Whole nodes of the stream go, so a few more are kept.
    assert 10_000 <= jobs.redis.xlen("tcan:events:a") < 10_200
    jobs.run(commands.cancel("a"))
    with http.stream("GET", "/jobs/a/events", headers={"Last-Event-ID": "2"}) as answer:
        first = next(parse_events(answer.iter_lines())).version
    assert 1_800 < first < 2_100
    after = {"Last-Event-ID": "11999"}
    with http.stream("GET", "/jobs/a/events", headers=after) as answer:
        versions = [event.version for event in parse_events(answer.iter_lines())]
    assert versions == [12_000, 12_001, 12_002]


@pytest.mark.parametrize("seen", [0, 1, 7, 11, 12])
def test_reader_that_returns_long_after_the_end_gets_the_later_states(
    http: httpx.Client, driver: JobDriver, jobs: JobStore, seen: int
) -> None:
    for change in driver.life():
        change()
    jobs.run(retention.trim_events())
    assert jobs.redis.zcard("tcan:untrimmed") == 1
    jobs.redis.zadd("tcan:untrimmed", {"a": 0})
    assert not jobs.run(retention.trim_events())
    with http.stream("GET", "/jobs/a/events", headers={"Last-Event-ID": str(seen)}) as answer:
        found = [*parse_events(answer.iter_lines())]
    assert [event.version for event in found] == [n for n in STATE_VERSIONS if n > seen]
    assert all(event.job["version"] == event.version for event in found)
    assert found[-1].job["status"] == "succeeded"
    jobs.run(commands.erase("a"))
    assert jobs.redis.keys("tcan:events:*") == []


@pytest.mark.long
def test_a_reader_and_a_poller_agree_at_every_step_of_20_jobs(
    http: httpx.Client, jobs: JobStore
) -> None:
    for index in range(20):
        follow_and_poll(http, JobDriver(jobs, f"job{index}"))


def follow_and_poll(http: httpx.Client, driver: JobDriver) -> None:
    """Compare after each change; the reader reconnects three times."""
    reader = ReconnectingReader(http, driver.id)
    for number, change in enumerate(driver.life(), 1):
        change()
        if number in (1, 4, 8, 11):
            reader.connect()
        polled = http.get(f"/jobs/{driver.id}").json()
        event = reader.until(polled["version"])
        assert timeless(event.job) == timeless(polled)
    reader.rest()
    assert [event.version for event in reader.events] == list(range(1, 14))
    answer = http.get(f"/jobs/{driver.id}/events", headers={"Last-Event-ID": "13"})
    assert (answer.status_code, answer.content) == (204, b"")


def timeless(job: dict[str, Any]) -> dict[str, Any]:
    """Return the job without its estimate, which changes with time."""
    return {name: value for name, value in job.items() if name != "eta"}


def test_stream_can_start_after_any_event(http: httpx.Client, driver: JobDriver) -> None:
    for change in driver.life():
        change()
    with http.stream("GET", "/jobs/a/events", params={"after": 10}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        assert [event.version for event in parse_events(answer.iter_lines())] == [11, 12, 13]
    assert http.get("/jobs/missing/events").json()["code"] == "job_not_found"
    bad = http.get("/jobs/a/events", headers={"Last-Event-ID": "yesterday"})
    assert (bad.status_code, bad.json()["code"]) == (422, "invalid_request")


def test_stalled_reader_blocks_no_other_and_misses_nothing(
    http: httpx.Client, driver: JobDriver, jobs: JobStore
) -> None:
    driver.create()
    driver.take(Queue.PREPARE)
    stalled = open_stream(http, "a")
    reader = ReconnectingReader(http, "a")
    reader.connect()
    many = 3 * MAX_FRAMES
    for number in range(many):
        driver.advance(number, many)
    jobs.run(commands.fail("a", driver.token, BROKEN))
    reader.rest()
    assert [event.version for event in reader.events] == list(range(1, many + 4))
    with stalled, stalled.makefile(encoding="utf-8", newline="\r\n") as stream:
        seen = [event.version for event in slow_events(stream)]
    assert seen == list(range(1, many + 4))


def open_stream(http: httpx.Client, job_id: str) -> socket.socket:
    """Return a connection with a small buffer that requested events and has read nothing."""
    address = urlsplit(str(http.base_url))
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(GUARD_S)
    connection.connect((address.hostname or "", address.port or 0))
    connection.sendall(f"GET /jobs/{job_id}/events HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return connection


def slow_events(stream: Any) -> Iterator[ReceivedEvent]:
    text = stream.read()
    return parse_events(iter(text.split("\r\n\r\n", 1)[1].split("\n")))


def test_many_readers_share_one_subscription(
    http: httpx.Client, driver: JobDriver, jobs: JobStore
) -> None:
    driver.create()
    readers = [ReconnectingReader(http, "a") for _ in range(20)]
    for reader in readers:
        reader.connect()
        reader.until(1)
    subscribed = [
        client for client in jobs.redis.client_list() if int(client["sub"]) + int(client["psub"])
    ]
    assert len(subscribed) == 1
    jobs.run(commands.cancel("a"))
    for reader in readers:
        reader.rest()
        assert [event.version for event in reader.events] == [1, 2]


def test_a_lost_subscription_loses_no_event(
    http: httpx.Client, driver: JobDriver, jobs: JobStore
) -> None:
    driver.create()
    reader = ReconnectingReader(http, "a")
    reader.connect()
    reader.until(1)
    jobs.redis.client_kill_filter(_type="pubsub")
    driver.take(Queue.PREPARE)
    assert reader.until(2).job["status"] == "preparing"


def test_idle_stream_sends_heartbeats_until_the_gateway_stops(
    redis_url: str, driver: JobDriver
) -> None:
    driver.create()

    async def listen() -> list[bytes]:
        jobs = AsyncJobStore.connect(redis_url)
        async with EventHub(jobs, event_frame) as hub:
            open_permit = partial(StreamRevoker(always_allowed).permit, None)
            stream = read_events(hub, open_permit, driver.snapshot(), 1, heartbeat_s=0.01)
            frames = [await anext(stream), await anext(stream), await anext(stream)]
            assert hub.watched == {"a": 1}
            hub.close_streams()
            frames += [frame async for frame in stream if frame != HEARTBEAT]
            assert hub.watched == {}
        await jobs.close()
        return frames

    assert asyncio.run(listen()) == [RETRY, HEARTBEAT, HEARTBEAT]


@pytest.mark.long
def test_stream_reports_moves_of_a_waiting_job(http: httpx.Client, jobs: JobStore) -> None:
    for name in ("a", "b", "c"):
        JobDriver(jobs, name).create()
    reader = ReconnectingReader(http, "c")
    reader.connect()
    reader.until(1)
    jobs.run(commands.cancel("a"))
    moved = reader.next()
    assert (moved.version, moved.kind, moved.job["queue_position"]) == (1, "queue", 1)
    # A reader that reconnects gets the present place; a move is reported once.
    jobs.run(commands.cancel("b"))
    reader.connect()
    moved = reader.next()
    assert (moved.version, moved.kind, moved.job["queue_position"]) == (1, "queue", 0)
    jobs.run(commands.cancel("c"))
    reader.rest()
    assert [event.kind for event in reader.events] == ["state", "queue", "queue", "state"]


async def always_allowed(key: str | None) -> bool:
    raise AssertionError(f"{key}: the stays are not entered")
