"""The longest time without an accepted job, without the time in which a part was stopped."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tests.chaos.faults import Fault

# Allowance for recovery after faults: starts of killed parts (27 s for S3 on two busy cores), the
# claims of a killed gateway, the retry delays of a client, and a following fault.
MAX_GAP_S = 60.0


def longest_gap_s(
    began_ms: int, ended_ms: int, accepted_ms: Sequence[int], faults: Sequence[Fault]
) -> float:
    """Return the longest time without an accepted job, less the stops of parts in it."""
    moments = [began_ms, *accepted_ms, ended_ms]
    return max(_running_ms(first, last, faults) for first, last in pairwise(moments)) / 1000


def _running_ms(first_ms: int, last_ms: int, faults: Sequence[Fault]) -> int:
    # Faults do not overlap, so no time is counted twice.
    stopped = (min(last_ms, fault.ended_ms) - max(first_ms, fault.began_ms) for fault in faults)
    return last_ms - first_ms - sum(max(0, length) for length in stopped)
