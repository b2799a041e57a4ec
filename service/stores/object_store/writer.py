"""How the gateway stores inputs: those of many requests with one sync.

Requests that come while a batch is being synced wait for the next one, so that under load the
number of syncs is bound by the disk and not by the requests (group commit).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import NamedTuple, Protocol

from service.errors import UnavailableError
from service.stores.object_store.base import New, ObjectStore
from service.stores.object_store.folder import FolderObjects

# Requests that write to a store that is far away at a time, and what others wait for their turn.
WRITERS = 32
PATIENCE_S = 10.0


class Writer(Protocol):
    """Stores new objects."""

    async def put(self, objects: Mapping[str, New]) -> None:
        """Store them by their keys; all are safe from a power cut when it returns.

        Raises:
            ObjectChangedError: the source of a copy is gone, or another than was looked at.
            UnavailableError: the store cannot take them.
        """

    async def close(self) -> None:
        """Let go of its thread."""


def open_writer(objects: ObjectStore) -> Writer:
    """The writer that suits the store."""
    return FolderWriter(objects) if isinstance(objects, FolderObjects) else ThreadWriter(objects)


class ThreadWriter:
    """Each request in a thread of its own, for stores that are far away.

    The threads are not those that the other routes share: a store that is slow to take inputs holds
    up nobody else.

    Args:
        writers: requests that write at a time.
        patience_s: what others wait for their turn before they are sent away.
    """

    def __init__(
        self, objects: ObjectStore, writers: int = WRITERS, patience_s: float = PATIENCE_S
    ) -> None:
        self._objects = objects
        self._turns = asyncio.Semaphore(writers)
        self._threads = ThreadPoolExecutor(writers, "objects")
        self._patience_s = patience_s

    async def put(self, objects: Mapping[str, New]) -> None:
        """As `Writer.put`."""
        try:
            async with asyncio.timeout(self._patience_s):
                await self._turns.acquire()
        except TimeoutError as error:
            raise UnavailableError(
                f"the object store is slow: no turn came within {self._patience_s:g} s"
            ) from error
        loop = asyncio.get_running_loop()
        writing = loop.run_in_executor(
            self._threads, copy_context().run, self._objects.put_new, objects
        )
        writing.add_done_callback(self._thread_is_free)
        # A request whose caller leaves keeps its turn as well: its thread goes on.
        await asyncio.shield(writing)

    async def close(self) -> None:
        """As `Writer.close`; who still writes is not waited for."""
        self._threads.shutdown(wait=False)

    def _thread_is_free(self, writing: asyncio.Future[None]) -> None:
        writing.exception()  # looked at, whether or not somebody still waits for it
        self._turns.release()


class _Group(NamedTuple):
    """The objects of one request."""

    objects: Mapping[str, New]
    done: asyncio.Future[None]


class FolderWriter:
    """One thread; it stores what waits, group by group, and syncs once."""

    def __init__(self, objects: FolderObjects) -> None:
        self._objects = objects
        self._thread = ThreadPoolExecutor(1, "objects")
        self._waiting: list[_Group] = []
        self._worker: asyncio.Task[None] | None = None

    async def put(self, objects: Mapping[str, New]) -> None:
        """As `Writer.put`."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._waiting.append(_Group(objects, done))
        if self._worker is None or self._worker.done():
            self._worker = loop.create_task(self._work(loop), name="objects")
        await done

    async def close(self) -> None:
        """As `Writer.close`; what waits is stored before."""
        if self._worker is not None:
            await asyncio.wait((self._worker,))
        self._thread.shutdown()

    async def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                became = await loop.run_in_executor(self._thread, self._store, batch)
            except Exception as error:
                became = [error] * len(batch)
            for group, failure in zip(batch, became, strict=True):
                _settle(group.done, failure)

    def _store(self, batch: list[_Group]) -> list[Exception | None]:
        """What became of each group; raises UnavailableError when their sync fails."""
        errors = [_tried(self._objects.place, group) for group in batch]
        placed = [group for group, error in zip(batch, errors, strict=True) if error is None]
        if placed:
            self._objects.sync([key for group in placed for key in group.objects])
        return errors


def _tried(place: Callable[[Mapping[str, New]], None], group: _Group) -> Exception | None:
    try:
        place(group.objects)
    except Exception as error:
        return error
    return None


def _settle(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():  # its request was canceled
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
