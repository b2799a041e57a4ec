"""Store the inputs of many requests with one disk sync (group commit).

Requests that arrive while a batch is being synced wait for the next batch, so the number of syncs
is limited by the disk and not by the requests.
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

# Concurrent requests that write to a remote store, and how long others wait.
WRITERS = 32
PATIENCE_S = 10.0


class Writer(Protocol):
    """Stores new objects."""

    async def put(self, objects: Mapping[str, New]) -> None:
        """Store objects under new keys; all survive a power cut when it returns.

        Raises:
            ObjectChangedError: the source of a copy was deleted or changed.
            UnavailableError: the store cannot write them.
        """

    async def close(self) -> None:
        """Stop the writer's threads."""


def open_writer(objects: ObjectStore) -> Writer:
    """Return the writer for the store."""
    return FolderWriter(objects) if isinstance(objects, FolderObjects) else ThreadWriter(objects)


class ThreadWriter:
    """Writes to a remote store, each request in its own thread.

    The threads are not shared with other routes, which a slow store would block.

    Args:
        writers: concurrent requests.
        patience_s: maximum wait of further requests before they fail.
    """

    def __init__(
        self, objects: ObjectStore, writers: int = WRITERS, patience_s: float = PATIENCE_S
    ) -> None:
        self._objects = objects
        self._slots = asyncio.Semaphore(writers)
        self._threads = ThreadPoolExecutor(writers, "objects")
        self._patience_s = patience_s

    async def put(self, objects: Mapping[str, New]) -> None:
        """See `Writer.put`."""
        try:
            async with asyncio.timeout(self._patience_s):
                await self._slots.acquire()
        except TimeoutError as error:
            raise UnavailableError(
                f"the object store is slow: {self._patience_s:g} s passed without a free writer"
            ) from error
        loop = asyncio.get_running_loop()
        writing = loop.run_in_executor(
            self._threads, copy_context().run, self._objects.put_new, objects
        )
        writing.add_done_callback(self._free_slot)
        # The thread continues if the request is canceled, so the slot stays taken.
        await asyncio.shield(writing)

    async def close(self) -> None:
        """See `Writer.close`; does not wait for running writes."""
        self._threads.shutdown(wait=False)

    def _free_slot(self, writing: asyncio.Future[None]) -> None:
        writing.exception()  # retrieved, in case no request waits for it any more
        self._slots.release()


class _Group(NamedTuple):
    """Objects of one request."""

    objects: Mapping[str, New]
    done: asyncio.Future[None]


class FolderWriter:
    """Writes to a folder in one thread, batch by batch, with one sync each."""

    def __init__(self, objects: FolderObjects) -> None:
        self._objects = objects
        self._thread = ThreadPoolExecutor(1, "objects")
        self._waiting: list[_Group] = []
        self._worker: asyncio.Task[None] | None = None

    async def put(self, objects: Mapping[str, New]) -> None:
        """See `Writer.put`."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._waiting.append(_Group(objects, done))
        if self._worker is None or self._worker.done():
            self._worker = loop.create_task(self._work(loop), name="objects")
        await done

    async def close(self) -> None:
        """See `Writer.close`; pending requests are stored first."""
        if self._worker is not None:
            await asyncio.wait((self._worker,))
        self._thread.shutdown()

    async def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            failures: list[Exception | None]
            try:
                failures = await loop.run_in_executor(self._thread, self._store, batch)
            except Exception as error:
                failures = [error] * len(batch)
            for group, failure in zip(batch, failures, strict=True):
                _settle(group.done, failure)

    def _store(self, batch: list[_Group]) -> list[Exception | None]:
        """Store a batch; returns each group's error. Raises UnavailableError if the sync fails."""
        errors = [_try_place(self._objects.place, group) for group in batch]
        placed = [group for group, error in zip(batch, errors, strict=True) if error is None]
        if placed:
            self._objects.sync([key for group in placed for key in group.objects])
        return errors


def _try_place(place: Callable[[Mapping[str, New]], None], group: _Group) -> Exception | None:
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
