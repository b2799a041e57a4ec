"""The newest events of one watched job, shared by all its readers in this process.

A reader has a position and no queue, so a slow reader delays no other and needs no memory. Events
that are no longer here are read from the job's stream in Redis.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from service.contract.events import EventKind
from service.stores.job_store import events as event_calls
from service.stores.job_store.events import MAX_EVENTS, JobEvent
from service.stores.job_store.snapshots import JobSnapshot
from service.stores.job_store.store import AsyncJobStore

MAX_FRAMES = 256


class Frame(NamedTuple):
    """An encoded event, shared by all readers.

    Attributes:
        last: no event follows it.
        position: of the job in its queue; None if it does not wait.
    """

    version: int
    text: bytes
    last: bool
    position: int | None


Encode = Callable[[JobEvent], bytes]


class Feed:
    """Events of a job that are newer than a snapshot.

    Args:
        snapshot: the watched job as its first reader knows it.
        encode: converts an event to bytes.

    Attributes:
        place: where a waiting job is now, as an event of kind `queue`; None after another event,
            which contains it.
        position: position of the job in its queue; None if it does not wait.
    """

    def __init__(self, jobs: AsyncJobStore, snapshot: JobSnapshot, encode: Encode) -> None:
        self.readers = 0
        self.newest = snapshot.record.version
        self.position: int | None = None
        self.place: Frame | None = None
        self._jobs = jobs
        self._job_id = snapshot.record.id
        self._encode = encode
        self._frames: deque[Frame] = deque(maxlen=MAX_FRAMES)
        self._changed = asyncio.Event()
        self._refreshing = asyncio.Lock()
        self.move(snapshot)

    def move(self, snapshot: JobSnapshot) -> None:
        """Report where the job waits, unless a newer event than the snapshot is known."""
        if snapshot.position is None or snapshot.record.version != self.newest:
            return
        self.position = snapshot.position
        self.place = self._frame(JobEvent(self.newest, EventKind.QUEUE, snapshot))
        self.wake()

    async def refresh(self) -> None:
        """Read new events and wake the readers. Raises UnavailableError."""
        async with self._refreshing:
            while found := await self._read(self.newest):
                self._frames.extend(found)
                self.newest, self.position = found[-1].version, found[-1].position
                self.place = None
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

    async def position_at(self, version: int) -> int | None:
        """Return the job's position at an event; None if it did not wait or none is stored."""
        frames = await self._read(version - 1, limit=1)
        return frames[0].position if frames else None

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

    async def _read(self, after: int, limit: int = MAX_EVENTS) -> list[Frame]:
        events = await self._jobs.run(event_calls.events(self._job_id, after, limit))
        return [self._frame(event) for event in events]

    def _frame(self, event: JobEvent) -> Frame:
        is_last = event.snapshot.record.state.is_terminal
        return Frame(event.version, self._encode(event), is_last, event.snapshot.position)
