"""OpenMP, the library whose threads torch computes with on processors."""

from __future__ import annotations

import os


def use_passive_waiting() -> None:
    """Make idle OpenMP threads sleep instead of spin; call this before torch is imported.

    Spinning threads take the processor from every other process. OpenMP reads the variable once,
    when torch loads it. What the user set is kept, GOMP_SPINCOUNT too: libgomp prefers it.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
