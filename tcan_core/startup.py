"""The start of a process that computes with torch: how its threads wait, how fast it imports."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

PASSIVE_WAITING = ("OMP_WAIT_POLICY", "PASSIVE")


def use_passive_waiting() -> None:
    """Make idle OpenMP threads sleep instead of spin; call this before torch is imported.

    Spinning threads take the processor from every other process. OpenMP reads the variable once,
    when torch loads it. What the user set is kept, GOMP_SPINCOUNT too: libgomp prefers it.
    """
    os.environ.setdefault(*PASSIVE_WAITING)


@contextmanager
def fast_imports() -> Iterator[None]:
    """Import torch and diffusers without garbage collection, which takes a fifth of the time.

    What was imported lives as long as the process: later collections leave it out, too.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
