"""Children that inspect files: the memory of all together, and which of them are used again.

A child may inspect several requests of one caller, never of two. It is kept only after a request
that went well, for a few requests and seconds, and ended early when another needs its memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio

from sandbox.child import Child

IDLE_S = 5.0


@dataclass(eq=False)
class Slot:
    """Memory for a child, and the child as long as it may be used.

    Attributes:
        owner: caller whose requests the child may inspect; None for a single request.
        size_bytes: memory that is reserved for the child.
        child: None before it is started, and after it was ended.
        requests: number of requests that the child has inspected.
    """

    owner: str | None = None
    size_bytes: int = 0
    child: Child | None = None
    requests: int = 0

    def close(self) -> None:
        """End the child, if there is one."""
        if self.child is not None:
            self.child.close()
        self.child, self.requests = None, 0


class ChildPool:
    """Slots for concurrent inspections, given in order of arrival.

    Args:
        total_bytes: memory of all slots together, those of idle children included.
        max_requests: requests that a child may inspect.
        idle_s: how long an idle child is kept.
    """

    def __init__(self, total_bytes: int, max_requests: int = 1, idle_s: float = IDLE_S) -> None:
        self._free = total_bytes
        self._max_requests = max_requests
        self._idle_s = idle_s
        self._idle: dict[Slot, asyncio.TimerHandle] = {}  # the longest idle first
        self._turn = anyio.Lock()
        self._changed = anyio.Event()

    @asynccontextmanager
    async def slot(self, owner: str | None, size_bytes: int) -> AsyncIterator[Slot]:
        """Hold a slot for the length of a `with` block; wait until there is one.

        An error in the block ends the slot's child.

        Args:
            owner: the caller; None if the child must not be used again.
            size_bytes: memory that the child may take.
        """
        async with self._turn:
            while (slot := self._take(owner, size_bytes)) is None:
                self._changed = anyio.Event()
                await self._changed.wait()
        try:
            yield slot
        except BaseException:
            slot.close()
            raise
        finally:
            self._give_back(slot)

    def close(self) -> None:
        """End all idle children."""
        for slot in tuple(self._idle):
            self._end_idle(slot)

    def _take(self, owner: str | None, size_bytes: int) -> Slot | None:
        """Return the slot of an idle child of this caller, or else a new one if it has room."""
        for slot in reversed(self._idle):
            if (slot.owner, slot.size_bytes) == (owner, size_bytes):
                self._idle.pop(slot).cancel()
                return slot
        while self._idle and size_bytes > self._free:
            self._end_idle(next(iter(self._idle)))
        if size_bytes > self._free:
            return None
        self._free -= size_bytes
        return Slot(owner, size_bytes)

    def _give_back(self, slot: Slot) -> None:
        slot.requests += 1
        if slot.child is None or slot.owner is None or slot.requests >= self._max_requests:
            self._release(slot)
            return
        loop = asyncio.get_running_loop()
        self._idle[slot] = loop.call_later(self._idle_s, self._end_idle, slot)
        self._changed.set()

    def _end_idle(self, slot: Slot) -> None:
        self._idle.pop(slot).cancel()
        self._release(slot)

    def _release(self, slot: Slot) -> None:
        slot.close()
        self._free += slot.size_bytes
        self._changed.set()
