"""The start of a process that computes with torch: how its threads wait, how fast it imports."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

# libgomp spins this often before a thread sleeps: on a quiet machine 1.3 times as fast as sleeping
# at once, next to a busy process nearly as good (decision 0018).
PASSIVE_WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "400"}


def use_passive_waiting() -> None:
    """Make idle OpenMP threads sleep soon instead of spin; call this before torch is imported.

    Spinning threads take the processor from every other process. OpenMP reads the variables once,
    when torch loads it. If the user set one of them, both are left as they are.
    """
    os.environ.update(with_passive_waiting(os.environ))


def with_passive_waiting(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment with passive waiting, unless it sets how OpenMP waits."""
    is_set = any(name in environment for name in PASSIVE_WAITING)
    return {**environment} if is_set else {**environment, **PASSIVE_WAITING}


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
