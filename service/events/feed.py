"""The newest events of one watched job, shared by all of its readers in this process.

A reader has a position and no queue of its own: however slow it is, it holds nothing back and costs
nothing. What it asks for is taken from here, or from the job's stream in Redis when it is older.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from service.stores.job_store import events as event_calls
from service.stores.job_store.events import MAX_EVENTS, JobEvent
from service.stores.job_store.store import AsyncJobs

KEPT = 256


class Frame(NamedTuple):
    """An event as it goes over the wire; encoded once for all readers.

    Attributes:
        last: no event comes after it.
    """

    version: int
    text: bytes
    last: bool


Encode = Callable[[JobEvent], bytes]


class Feed:
    """Events behind the version `after`, as `refresh` finds them.

    Args:
        job_id: the job that is watched.
        after: the version that the first reader knows.
        encode: makes the bytes of an event.
    """

    def __init__(self, jobs: AsyncJobs, job_id: str, after: int, encode: Encode) -> None:
        self.readers = 0
        self.newest = after
        self._jobs = jobs
        self._job_id = job_id
        self._encode = encode
        self._frames: deque[Frame] = deque(maxlen=KEPT)
        self._changed = asyncio.Event()
        self._refreshing = asyncio.Lock()

    async def refresh(self) -> None:
        """Take in what is new and wake the readers. Raises UnavailableError."""
        async with self._refreshing:
            while found := await self._read(self.newest):
                self._frames.extend(found)
                self.newest = found[-1].version
                self.wake()
                if len(found) < MAX_EVENTS:
                    return

    async def after(self, version: int) -> list[Frame]:
        """Some of the frames behind `version`, in order; none when there is none yet.

        Raises:
            UnavailableError: they are no longer here, and Redis does not answer.
        """
        if version >= self.newest:
            return []
        if self._frames and self._frames[0].version <= version + 1:
            return [frame for frame in self._frames if frame.version > version]
        return await self._read(version)

    async def changed(self, timeout_s: float) -> bool:
        """Wait for something new; False when nothing came in time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def wake(self) -> None:
        """Let every reader look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _read(self, after: int) -> list[Frame]:
        found = await self._jobs.run(event_calls.events(self._job_id, after))
        return [
            Frame(event.version, self._encode(event), event.snapshot.record.state.is_terminal)
            for event in found
        ]
