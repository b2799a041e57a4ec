"""Act on many names, so that a failure does not block the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import nullcontext

from service.telemetry.context import about_job

logger = logging.getLogger(__name__)

# After this many failures the store is assumed unavailable; the rest is left to the next round.
MAX_FAILURES = 3


def each(names: Iterable[str], act: Callable[[str], object], *, are_jobs: bool) -> list[str]:
    """Call `act` for each name; returns the names that failed, at most `MAX_FAILURES`.

    Args:
        are_jobs: whether the names are ids of jobs, which the log lines then have.
    """
    failed: list[str] = []
    for name in names:
        with about_job(name) if are_jobs else nullcontext():
            try:
                act(name)
            except Exception as error:
                logger.warning("postponed after an error: name=%s %s", name, error)
                failed.append(name)
        if len(failed) == MAX_FAILURES:
            break
    return failed
