"""A process that is asked to leave ends its step and keeps what it has learned."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def asked_to_leave() -> Iterator[Callable[[], bool]]:
    """Notice SIGTERM instead of dying of it; yields whether it has come.

    Outside of the main thread, which alone hears signals, nothing ever comes.
    """
    came = threading.Event()

    def note(number: int, frame: FrameType | None) -> None:
        came.set()

    if threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return
    before = signal.signal(signal.SIGTERM, note)
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGTERM, before)
