"""Fault injection, determined by a seed: which process is killed or stopped, and when."""

from __future__ import annotations

import random
import signal
import threading
import time
from typing import NamedTuple

from tests.chaos.service import Service

# Kinds of faults, pauses between them, and the longest stop.
KILL, STOP = "SIGKILL", "SIGSTOP"
PAUSES_S = (2.0, 6.0)
MAX_STOP_S = 9.0


class Fault(NamedTuple):
    """A fault of one process; times are milliseconds since 1970."""

    part: str
    kind: str
    began_ms: int
    ended_ms: int


class FaultInjector:
    """A thread that injects faults into parts of the service, one at a time."""

    def __init__(self, service: Service, seed: int) -> None:
        self._service = service
        self._random = random.Random(seed)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="faults", daemon=True)
        self.faults: list[Fault] = []

    def start(self) -> None:
        """Start injecting faults."""
        self._thread.start()

    def stop(self) -> None:
        """Stop; every part runs again or is being restarted."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(self._random.uniform(*PAUSES_S)):
            part = self._random.choice(sorted(self._service.parts))
            # Workers run the jobs, so they get additional faults.
            if self._random.random() < 0.25:
                part = f"worker-{self._random.randint(1, self._service.workers)}"
            kind = self._random.choice((KILL, STOP))
            self._inject(part, kind, self._random.uniform(0.5, MAX_STOP_S))

    def _inject(self, name: str, kind: str, stop_s: float) -> None:
        part, began_ms = self._service.parts[name], now_ms()
        if kind == KILL:
            part.send(signal.SIGKILL)
        else:
            part.send(signal.SIGSTOP)
            self._closed.wait(stop_s)
            part.send(signal.SIGCONT)
        self.faults.append(Fault(name, kind, began_ms, now_ms()))


def now_ms() -> int:
    """Return the time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000
