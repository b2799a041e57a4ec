"""Leaving in good order and in time: what a worker does between SIGTERM and its end."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import NoReturn

# A step at work may end, and be kept, for so long; after that it is stopped at its next window.
STEP_S = 5.0
# Whoever has not left by then is cut off; the job goes on from its last checkpoint.
LEAVE_S = 8.0


def end_at_once() -> NoReturn:
    """End as if killed: the job at work is left to its lease, and its attempt counts."""
    os._exit(1)


class Shutdown:
    """Whether this worker must leave.

    Args:
        cut_off: called once, in a thread of its own, `leave_s` after the beginning.
        monotonic_s: a clock that never goes back.
    """

    def __init__(
        self,
        cut_off: Callable[[], None] = lambda: None,
        *,
        step_s: float = STEP_S,
        leave_s: float = LEAVE_S,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cut_off = cut_off
        self._step_s = step_s
        self._leave_s = leave_s
        self._monotonic_s = monotonic_s
        self._event = threading.Event()
        self._begun = False
        self._began_s = 0.0

    def begin(self) -> None:
        """From now on no job is taken, and the one at work is given back.

        Called by a signal's handler: another may come in the middle of it, and returns at once. It
        would wait for the event's lock, which this one holds, for ever.
        """
        if self._begun:
            return
        self._begun = True
        self._began_s = self._monotonic_s()
        self._event.set()
        timer = threading.Timer(self._leave_s, self._cut_off)
        timer.daemon = True
        timer.start()

    @property
    def begun(self) -> bool:
        """Whether it is time to leave."""
        return self._event.is_set()

    @property
    def step_may_end(self) -> bool:
        """Whether there is still time for the step at work."""
        return self._monotonic_s() - self._began_s < self._step_s

    def wait(self, timeout_s: float) -> bool:
        """Sleep, but not longer than until the beginning; whether it has begun."""
        return self._event.wait(timeout_s)
