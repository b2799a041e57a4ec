"""Health measured by consumption: who takes nothing while hints wait is not healthy.

A consumer of a broker may stay connected, answer pings and take nothing, for example after the
broker was away. Nothing inside such a process can be trusted to mend it, so it is replaced.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from service.contract.queues import Queue
from service.errors import UnavailableError
from service.stores.job_store import presence
from worker.job_runner import JobRunner
from worker.runtime.heartbeat import Heartbeat

logger = logging.getLogger(__name__)

INTERVAL_S = 1.0


def start_again() -> None:
    """Put a fresh process of the same command in the place of this one, under the same number."""
    # Its own command line, as it was started.
    os.execv(sys.executable, sys.orig_argv)  # nosec B606


@dataclass
class Watch:
    """One look at it is `act`.

    Attributes:
        stalled_s: how long an idle worker may leave hints alone.
        restart: called when it left them alone for longer.
        monotonic_s: a clock that never goes back.
    """

    runner: JobRunner
    alive: Heartbeat
    queues: Sequence[Queue]
    stalled_s: float
    restart: Callable[[], None] = start_again
    monotonic_s: Callable[[], float] = time.monotonic
    _since_s: float | None = field(default=None, init=False)
    _heard: int = field(default=0, init=False)

    def act(self) -> None:
        """Look whether hints wait although this worker is idle. Raises UnavailableError."""
        if not self._is_passed_over():
            self._since_s = None
            return
        now_s = self.monotonic_s()
        if self._since_s is None:
            self._since_s = now_s
        if now_s - self._since_s >= self.stalled_s:
            self._give_up(now_s - self._since_s)

    def _is_passed_over(self) -> bool:
        runner = self.runner
        heard, self._heard = self._heard, runner.heard
        if not self.alive.ready or runner.shutdown.begun:
            return False
        if runner.at_work is not None or runner.is_pausing:
            return False
        return heard == runner.heard and runner.jobs.run(presence.count_hints(self.queues)) > 0

    def _give_up(self, silent_s: float) -> None:
        logger.error("idle for %.0f s while hints wait; starting again", silent_s)
        try:
            self.alive.is_stalled()
            self.runner.jobs.run(presence.count_restart())
        except UnavailableError as error:
            logger.warning("nobody is told: %s", error)
        self.restart()
