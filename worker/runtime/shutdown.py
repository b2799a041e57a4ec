"""Graceful shutdown of a worker: from SIGTERM to its exit, with deadlines."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import NoReturn

# The current step may finish and be saved within this time; then it stops at its next window.
STEP_S = 5.0
# A worker that has not exited by then is killed; the job resumes from its last checkpoint.
EXIT_S = 8.0


def exit_at_once() -> NoReturn:
    """Exit as if killed: the current job's lease expires, and its attempt counts."""
    os._exit(1)


@dataclass
class Shutdown:
    """The state of this worker's shutdown.

    Args:
        on_timeout: called once, in a thread of its own, `exit_s` after `begin`.
    """

    on_timeout: Callable[[], None] = lambda: None
    _: KW_ONLY
    step_s: float = STEP_S
    exit_s: float = EXIT_S
    monotonic_s: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._event = threading.Event()
        self._has_begun = False
        self._began_s = 0.0

    def begin(self) -> None:
        """Begin the shutdown: claim no more jobs and release the current one.

        Called by a signal's handler. A second signal may interrupt it and returns at once, because
        it would wait forever for the event's lock, which the first one holds.
        """
        if self._has_begun:
            return
        self._has_begun = True
        self._began_s = self.monotonic_s()
        self._event.set()
        timer = threading.Timer(self.exit_s, self.on_timeout)
        timer.daemon = True
        timer.start()

    @property
    def has_begun(self) -> bool:
        """True if the worker must exit."""
        return self._event.is_set()

    @property
    def has_step_time(self) -> bool:
        """True if the current step may still finish."""
        return self.monotonic_s() - self._began_s < self.step_s

    def wait(self, timeout_s: float) -> bool:
        """Sleep until the shutdown begins, at most `timeout_s`; return whether it has begun."""
        return self._event.wait(timeout_s)
