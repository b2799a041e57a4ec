"""Commands that keep the order of waiting jobs: lanes, and refunds of virtual time.

Keys in Redis:

- `waiting:{queue}:lane:{contract}:{preset}`: ids of waiting jobs that need this contract and name
  this preset (empty: none), by virtual start time; `waiting:{queue}:lanes`, the lanes with jobs.
- `waiting:{queue}:checked`: the rank at which the next check of the lanes begins.
- `gaps`: callers whose virtual time has gaps, as `{priority}:{caller}`; `gaps:{priority}:{caller}`,
  the gaps, `{units}:{job}` by virtual start time.
"""

from __future__ import annotations

from service.contract.queues import Queue
from service.stores.job_store.commands import Command


def close_gaps(limit: int = 100) -> Command[int]:
    """Go on with the refunds of jobs that ended before they began; returns how many are left.

    Args:
        limit: number of jobs and gaps that are passed.
    """
    return Command("close_gaps", {"limit": limit}, int)


def check_lanes(queue: Queue, limit: int = 100) -> Command[bool]:
    """Correct the lanes of jobs that an earlier release queued; returns whether all are right.

    Args:
        limit: number of ranks of the queue that are checked; the next call continues after them.
    """
    return Command("check_lanes", {"queue": queue, "limit": limit}, bool)
