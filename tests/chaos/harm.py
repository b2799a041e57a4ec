"""What is done to the service, and when; all of it follows from a seed."""

from __future__ import annotations

import random
import signal
import threading
import time
from typing import NamedTuple

from tests.chaos.service import Service

# Of each: how, and for how long at most a stopped process stays stopped.
KILL, STOP = "SIGKILL", "SIGSTOP"
PAUSES_S = (2.0, 6.0)
LONGEST_STOP_S = 9.0


class Harm(NamedTuple):
    """One harm; times are milliseconds since 1970."""

    part: str
    how: str
    began_ms: int
    ended_ms: int


class Harmer:
    """Harms parts of the service, one at a time, until it is told to stop."""

    def __init__(self, service: Service, seed: int) -> None:
        self._service = service
        self._random = random.Random(seed)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="harm", daemon=True)
        self.done: list[Harm] = []

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Stop harming; every part runs again, or is about to."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(self._random.uniform(*PAUSES_S)):
            part = self._random.choice(sorted(self._service.parts))
            # Workers are what jobs hang on: they get their share and one more.
            if self._random.random() < 0.25:
                part = f"worker-{self._random.randint(1, self._service.workers)}"
            how = self._random.choice((KILL, STOP))
            self._do(part, how, self._random.uniform(0.5, LONGEST_STOP_S))

    def _do(self, name: str, how: str, stop_s: float) -> None:
        part, began_ms = self._service.parts[name], now_ms()
        if how == KILL:
            part.send(signal.SIGKILL)
        else:
            part.send(signal.SIGSTOP)
            self._closed.wait(stop_s)
            part.send(signal.SIGCONT)
        self.done.append(Harm(name, how, began_ms, now_ms()))


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
