"""Detection of a stalled worker: one that consumes no wake-up messages although some wait.

A consumer may stay connected to its broker, answer pings and consume nothing, for example after the
broker was unavailable. Nothing inside such a process can be trusted to fix it, so it is replaced.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from service.contract.queues import Queue
from service.errors import UnavailableError
from service.stores.job_store import presence
from service.stores.job_store.store import JobStore
from worker.runtime.heartbeat import Heartbeat

logger = logging.getLogger(__name__)

INTERVAL_S = 1.0


class ObservedRunner(Protocol):
    """The part of a job runner that the detector reads."""

    @property
    def jobs(self) -> JobStore:
        """Job store of the worker."""

    @property
    def hints_received(self) -> int:
        """Wake-up messages received so far."""

    @property
    def is_idle(self) -> bool:
        """True if it would claim a job at once."""


def restart_process() -> None:
    """Replace this process by a fresh one of the same command line, with the same process id."""
    os.execv(sys.executable, sys.orig_argv)  # nosec B606


@dataclass
class StallDetector:
    """Restarts this process when it is stalled; `check` is called periodically.

    Attributes:
        stalled_s: maximum time for which an idle worker may ignore wake-up messages.
        restart: called when it has ignored them for longer.
    """

    runner: ObservedRunner
    heartbeat: Heartbeat
    queues: Sequence[Queue]
    stalled_s: float
    restart: Callable[[], None] = restart_process
    monotonic_s: Callable[[], float] = time.monotonic
    _since_s: float | None = field(default=None, init=False)
    _hints_received: int = field(default=0, init=False)

    def check(self) -> None:
        """Check whether messages wait although this worker is idle. Raises UnavailableError."""
        if not self._is_ignoring_hints():
            self._since_s = None
            return
        now_s = self.monotonic_s()
        if self._since_s is None:
            self._since_s = now_s
        if now_s - self._since_s >= self.stalled_s:
            self._restart(now_s - self._since_s)

    def _is_ignoring_hints(self) -> bool:
        runner = self.runner
        before, self._hints_received = self._hints_received, runner.hints_received
        if not self.heartbeat.is_ready or not runner.is_idle:
            return False
        return (
            before == runner.hints_received
            and runner.jobs.run(presence.count_hints(self.queues, self.heartbeat.served_preset)) > 0
        )

    def _restart(self, idle_s: float) -> None:
        logger.error("worker stalled, restarting: idle_s=%.0f while messages wait", idle_s)
        try:
            self.heartbeat.report_stalled()
            self.runner.jobs.run(presence.count_restart())
        except UnavailableError as error:
            logger.warning("could not report the stall: %s", error)
        self.restart()
