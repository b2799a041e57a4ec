"""A thread that processes one item at a time, always the newest."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from typing import Generic, TypeVar

Item = TypeVar("Item")

MAX_WAIT_S = 60.0


class LatestOnlyThread(Generic[Item]):
    """Accepts items at once and processes them later; a waiting item is replaced by a newer one.

    Args:
        process: called with each item in the thread; must not raise. Returns the least number of
            seconds between its start and the next one's.
        first_delay_s: delay of the first item.
    """

    def __init__(
        self, name: str, process: Callable[[Item], float], first_delay_s: float = 0.0
    ) -> None:
        self._process = process
        self._due_s = time.monotonic() + first_delay_s
        self._changed = threading.Condition()
        self._pending: Item | None = None
        self._is_closed = False
        # Log lines of the thread belong to the same job as those of its maker.
        context = copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), name=name, daemon=True
        )

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, item: Item) -> None:
        """Hand an item to the thread without waiting."""
        with self._changed:
            self._pending = item
            self._changed.notify()

    def close(self, *, wait: bool) -> Item | None:
        """Start no more items.

        Args:
            wait: whether to wait for the item in progress; otherwise it finishes by itself.

        Returns:
            The item that was still waiting, if any.
        """
        with self._changed:
            self._is_closed = True
            self._changed.notify()
            pending, self._pending = self._pending, None
        if wait:
            self._thread.join()
        return pending

    def _run(self) -> None:
        while (item := self._next()) is not None:
            started_s = time.monotonic()
            self._due_s = started_s + self._process(item)

    def _next(self) -> Item | None:
        """Wait until an item is due and return the newest; None after `close`."""
        with self._changed:
            while not self._is_closed:
                wait_s = self._due_s - time.monotonic()
                if self._pending is not None and wait_s <= 0:
                    item, self._pending = self._pending, None
                    return item
                self._changed.wait(None if self._pending is None else min(wait_s, MAX_WAIT_S))
        return None
