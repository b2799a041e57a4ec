"""One Redis subscription per gateway for the events of all watched jobs.

A message contains only the id of a changed job. The hub reads the events from the job's stream, and
checks every watched job after a silence or a lost connection.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Self

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from service.errors import UnavailableError
from service.events.feed import Encode, Feed
from service.outage import Outage
from service.shutdown import run_unless_stopped
from service.stores.job_store import events
from service.stores.job_store.events import CHANNEL
from service.stores.job_store.snapshots import JobSnapshot
from service.stores.job_store.store import PREFIX, AsyncJobStore

logger = logging.getLogger(__name__)

SILENCE_S = 3.0
RECONNECT_S = 1.0
PLACES_S = 1.0
# Jobs that are read together.
BATCH = 100


class EventHub:
    """Feeds of watched jobs, during an `async with` block.

    Args:
        jobs: the job store.
        encode: converts an event to bytes.
    """

    def __init__(self, jobs: AsyncJobStore, encode: Encode) -> None:
        self._jobs = jobs
        self._encode = encode
        self._feeds: dict[str, Feed] = {}
        self._listener: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._places_reported_s = float("-inf")
        self.closing = False

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._listener = asyncio.create_task(self._listen(), name="events")
        return self

    async def __aexit__(self, *raised: object) -> None:
        self.close_streams()
        self._stop.set()
        assert self._listener is not None
        await self._listener

    @property
    def watched(self) -> dict[str, int]:
        """Number of readers of each watched job."""
        return {job_id: feed.readers for job_id, feed in self._feeds.items()}

    def close_streams(self) -> None:
        """End every stream; clients reconnect elsewhere with their last event id."""
        self.closing = True
        for feed in self._feeds.values():
            feed.wake()

    def close_streams_soon(self) -> None:
        """Do the same from a signal handler."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.close_streams)

    @asynccontextmanager
    async def watch(self, snapshot: JobSnapshot) -> AsyncIterator[Feed]:
        """Return the feed of a job, from this snapshot on."""
        job_id = snapshot.record.id
        feed = self._feeds.get(job_id)
        if feed is None:
            feed = self._feeds[job_id] = Feed(self._jobs, snapshot, self._encode)
        feed.readers += 1
        try:
            # The job may have changed since the snapshot was read.
            await feed.refresh()
            yield feed
        finally:
            feed.readers -= 1
            if feed.readers == 0:
                del self._feeds[job_id]

    async def _listen(self) -> None:
        outage = Outage("event subscription", logger)
        while not self._stop.is_set():
            try:
                async with self._jobs.redis.pubsub() as pubsub:
                    await pubsub.subscribe(f"{PREFIX}{CHANNEL}")
                    outage.end()
                    await self._follow(pubsub)
            except (RedisError, UnavailableError, OSError) as error:
                pause_s = outage.report(error)
                if self._feeds:  # somebody waits for events
                    pause_s = min(pause_s, RECONNECT_S)
                await run_unless_stopped(self._stop, asyncio.sleep(pause_s))

    async def _follow(self, pubsub: PubSub) -> None:
        while not self._stop.is_set():
            changed = await run_unless_stopped(self._stop, _changed_jobs(pubsub)) or self._feeds
            for batch in _batches(changed):
                feeds = filter(None, map(self._feeds.get, batch))
                # The job store's connection sends what they read as one batch.
                await asyncio.gather(*(feed.refresh() for feed in feeds))
            await self._report_places()

    async def _report_places(self) -> None:
        """Report to the readers of waiting jobs that these have moved, at most once a second."""
        if time.monotonic() < self._places_reported_s + PLACES_S:
            return
        self._places_reported_s = time.monotonic()
        positions = {
            job_id: feed.position
            for job_id, feed in self._feeds.items()
            if feed.position is not None
        }
        for batch in _batches(positions):
            known = {job_id: positions[job_id] for job_id in batch}
            for snapshot in await self._jobs.run(events.moved(known)):
                feed = self._feeds.get(snapshot.record.id)
                if feed is not None:
                    feed.move(snapshot)


def _batches(job_ids: Iterable[str]) -> Iterator[list[str]]:
    ids = list(job_ids)
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]


async def _changed_jobs(pubsub: PubSub) -> set[str]:
    """Return changed jobs; none after a silence or for a new subscription."""
    message = await pubsub.get_message(timeout=SILENCE_S)
    changed: set[str] = set()
    while message is not None:
        if message["type"] == "message":
            changed.add(str(message["data"]))
        message = await pubsub.get_message(timeout=0)
    return changed
