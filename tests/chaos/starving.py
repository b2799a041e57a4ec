"""How long callers were left without an accepted job, beyond what was done to the service then."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from tests.chaos.harm import Harm

# What harms may cost callers once they are over: the starts of killed parts (27 s of S3, on two
# busy cores), the claims of a killed gateway, the pauses of a client, and the next harm meanwhile.
BOUND_S = 60.0


def starved_s(
    began_ms: int, ended_ms: int, accepted_ms: Sequence[int], harm: Sequence[Harm]
) -> float:
    """The longest time without an accepted job, less the time in which a part was stopped."""
    moments = [began_ms, *accepted_ms, ended_ms]
    return max(_undisturbed_ms(first, last, harm) for first, last in pairwise(moments)) / 1000


def _undisturbed_ms(first_ms: int, last_ms: int, harm: Sequence[Harm]) -> int:
    # Harms come one after the other, so none of it is counted twice.
    stopped = (min(last_ms, it.ended_ms) - max(first_ms, it.began_ms) for it in harm)
    return last_ms - first_ms - sum(max(0, length) for length in stopped)
