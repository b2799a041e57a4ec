"""A thread that calls a function periodically."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Self

from service.outage import Outage

logger = logging.getLogger(__name__)


class Periodic:
    """Calls a function at once and then every `interval_s`, until the `with` block ends.

    While the function returns True it has more to do and is called again without a pause. Errors
    are logged, of many in a row only some; the next call comes as usual.
    """

    def __init__(self, name: str, interval_s: float, function: Callable[[], object]) -> None:
        self._function = function
        self._interval_s = interval_s
        self._closed = threading.Event()
        # Log lines of the thread belong to the same job as those of its maker.
        context = copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), name=name, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        outage = Outage(self._thread.name, logger)
        while True:
            pause_s = self._interval_s
            try:
                pause_s = 0.0 if self._function() is True else self._interval_s
                outage.end()
            except Exception as error:
                outage.report(error)
            if self._closed.wait(pause_s):
                return
