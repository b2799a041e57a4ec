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
    came = False

    # No threading.Event: a second signal, in the middle of setting it, would wait for the first.
    def note(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True

    if threading.current_thread() is not threading.main_thread():
        yield lambda: came
        return
    before = signal.signal(signal.SIGTERM, note)
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGTERM, before)
