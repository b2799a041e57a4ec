"""Graceful stop on SIGTERM: the process finishes its step and writes a checkpoint."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_on_sigterm() -> Iterator[Callable[[], bool]]:
    """Catch SIGTERM inside the context; yield a function that returns whether it was received.

    Outside of the main thread, which alone receives signals, the function returns False.
    """
    received = False

    # Not a threading.Event: a second signal while setting it would wait for the first one's lock.
    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal received
        received = True

    if threading.current_thread() is not threading.main_thread():
        yield lambda: received
        return
    previous = signal.signal(signal.SIGTERM, handle)
    try:
        yield lambda: received
    finally:
        signal.signal(signal.SIGTERM, previous)
