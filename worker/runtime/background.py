"""What is done beside the work, in a thread of its own: one thing at a time, the newest alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextvars import copy_context
from typing import Generic, TypeVar

Item = TypeVar("Item")

LONGEST_WAIT_S = 60.0


class Beside(Generic[Item]):
    """Takes items at once and does them later; one that waits gives way to a newer one.

    Args:
        name: of the thread.
        act: called there with an item, and may raise nothing. Returns how many seconds from its
            beginning the next may begin; that may be long over.
        first_in_s: how long to wait with the first one.
    """

    def __init__(self, name: str, act: Callable[[Item], float], first_in_s: float = 0.0) -> None:
        self._act = act
        self._due_s = time.monotonic() + first_in_s
        self._changed = threading.Condition()
        self._waiting: Item | None = None
        self._closed = False
        # What is logged there belongs to the same job as what is done here.
        context = copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), name=name, daemon=True
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def put(self, item: Item) -> None:
        """Leave an item to the thread; never waits."""
        with self._changed:
            self._waiting = item
            self._changed.notify()

    def close(self, *, wait: bool) -> Item | None:
        """Begin nothing more.

        Args:
            wait: whether what is at work is waited for; else it goes on by itself.

        Returns:
            The item that still waited, if any.
        """
        with self._changed:
            self._closed = True
            self._changed.notify()
            left, self._waiting = self._waiting, None
        if wait:
            self._thread.join()
        return left

    def _run(self) -> None:
        while (item := self._next()) is not None:
            began_s = time.monotonic()
            self._due_s = began_s + self._act(item)

    def _next(self) -> Item | None:
        """The newest item, once it is time to begin with one; None at the end."""
        with self._changed:
            while not self._closed:
                wait_s = self._due_s - time.monotonic()
                if self._waiting is not None and wait_s <= 0:
                    item, self._waiting = self._waiting, None
                    return item
                # Without an item there is nothing to wait for but one.
                self._changed.wait(None if self._waiting is None else min(wait_s, LONGEST_WAIT_S))
        return None
