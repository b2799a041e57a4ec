"""Act on many names, so that a failure does not block the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

logger = logging.getLogger(__name__)

# After this many failures the store is assumed unavailable; the rest is left to the next round.
MAX_FAILURES = 3


def each(names: Iterable[str], act: Callable[[str], object]) -> list[str]:
    """Call `act` for each name; returns the names that failed, at most `MAX_FAILURES`."""
    failed: list[str] = []
    for name in names:
        try:
            act(name)
        except Exception as error:
            logger.warning("postponed after an error: name=%s %s", name, error)
            failed.append(name)
        if len(failed) == MAX_FAILURES:
            break
    return failed
