"""Pauses and log lines of a background task while a store is unavailable."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

FIRST_PAUSE_S, MAX_PAUSE_S = 0.5, 5.0
# A failure after a longer time without one is the first of another outage.
QUIET_S = 60.0


class Outage:
    """Counts a task's failures in a row; an outage must not flood the log or the processor.

    Args:
        task: name of the task, for the log.
        logger: gets the first failure, the second, the fourth, the eighth..., and the end.
        now_s: clock.
    """

    def __init__(
        self, task: str, logger: logging.Logger, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._task = task
        self._logger = logger
        self._now_s = now_s
        self._failures = 0
        self._failed_at_s = 0.0

    def report(self, error: Exception) -> float:
        """Count a failure, and return the pause before the next attempt in seconds."""
        now_s = self._now_s()
        if now_s - self._failed_at_s > QUIET_S:
            self._failures = 0
        self._failed_at_s = now_s
        self._failures += 1
        is_power_of_two = self._failures & (self._failures - 1) == 0
        if is_power_of_two:
            self._logger.warning("%s failed: failures=%d: %s", self._task, self._failures, error)
        return float(min(FIRST_PAUSE_S * 2 ** min(self._failures - 1, 10), MAX_PAUSE_S))

    def end(self) -> None:
        """Note a success."""
        if self._failures:
            self._logger.info("%s works again: failures=%d", self._task, self._failures)
            self._failures = 0
