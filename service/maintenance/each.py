"""Do something to each of many, so that one that fails holds up none of the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

logger = logging.getLogger(__name__)

# When so many fail in one round, the store itself is away: the rest is left to the next one.
MOST_FAILURES = 3


def each(names: Iterable[str], act: Callable[[str], object]) -> list[str]:
    """Act on each; those that failed, at most `MOST_FAILURES`."""
    failed: list[str] = []
    for name in names:
        try:
            act(name)
        except Exception as error:
            logger.warning("%s is left for later: %s", name, error)
            failed.append(name)
        if len(failed) == MOST_FAILURES:
            break
    return failed
