"""The newest events of one watched job, shared by all its readers in this process.

A reader has a position and no queue, so a slow reader delays no other and needs no memory. Events
that are no longer here are read from the job's stream in Redis.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from service.stores.job_store import events as event_calls
from service.stores.job_store.events import MAX_EVENTS, JobEvent
from service.stores.job_store.store import AsyncJobStore

MAX_FRAMES = 256


class Frame(NamedTuple):
    """An encoded event, shared by all readers.

    Attributes:
        last: no event follows it.
    """

    version: int
    text: bytes
    last: bool


Encode = Callable[[JobEvent], bytes]


class Feed:
    """Events after the version `after`.

    Args:
        job_id: the watched job.
        after: version that the first reader has.
        encode: converts an event to bytes.
    """

    def __init__(self, jobs: AsyncJobStore, job_id: str, after: int, encode: Encode) -> None:
        self.readers = 0
        self.newest = after
        self._jobs = jobs
        self._job_id = job_id
        self._encode = encode
        self._frames: deque[Frame] = deque(maxlen=MAX_FRAMES)
        self._changed = asyncio.Event()
        self._refreshing = asyncio.Lock()

    async def refresh(self) -> None:
        """Read new events and wake the readers. Raises UnavailableError."""
        async with self._refreshing:
            while found := await self._read(self.newest):
                self._frames.extend(found)
                self.newest = found[-1].version
                self.wake()
                if len(found) < MAX_EVENTS:
                    return

    async def after(self, version: int) -> list[Frame]:
        """Return some of the frames after `version`, in order; empty if there are none yet.

        Raises:
            UnavailableError: they are only in Redis, which does not answer.
        """
        if version >= self.newest:
            return []
        if self._frames and self._frames[0].version <= version + 1:
            return [frame for frame in self._frames if frame.version > version]
        return await self._read(version)

    async def changed(self, timeout_s: float) -> bool:
        """Wait for new events; returns False after the timeout."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def wake(self) -> None:
        """Wake all readers."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _read(self, after: int) -> list[Frame]:
        events = await self._jobs.run(event_calls.events(self._job_id, after))
        return [
            Frame(event.version, self._encode(event), event.snapshot.record.state.is_terminal)
            for event in events
        ]
