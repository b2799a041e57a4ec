"""Runs of consecutive frames."""

from __future__ import annotations

import numpy as np

from tcan_core.conditioning.bones import Bools


def find_runs(flags: Bools) -> list[tuple[int, int]]:
    """Return (start, stop) of each run of True in (frames,)."""
    edges = np.flatnonzero(np.diff(np.pad(flags.astype(np.int8), 1)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
