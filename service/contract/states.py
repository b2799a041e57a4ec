"""The states of a job and the one table of legal transitions.

The Lua scripts of `service.stores` are generated from `TRANSITIONS`, so that no other state change
is possible.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class JobState(StrEnum):
    """State of a job. In `queued`, no worker holds the job's lease."""

    QUEUED = "queued"
    PREPARING = "preparing"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_terminal(self) -> bool:
        """True if the job has ended; a terminal state never changes."""
        return not TRANSITIONS[self]

    @property
    def is_leased(self) -> bool:
        """True if a worker holds the job's lease."""
        return self in (JobState.PREPARING, JobState.RUNNING)


# A job returns to `queued` for the next queue, or when its worker releases it or is lost.
AFTER_LEASE = frozenset({JobState.QUEUED, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELED})
TRANSITIONS: Mapping[JobState, frozenset[JobState]] = MappingProxyType(
    {
        JobState.QUEUED: frozenset(
            {JobState.PREPARING, JobState.RUNNING, JobState.FAILED, JobState.CANCELED}
        ),
        JobState.PREPARING: AFTER_LEASE,  # a pose preview succeeds here
        JobState.RUNNING: AFTER_LEASE,
        JobState.SUCCEEDED: frozenset(),
        JobState.FAILED: frozenset(),
        JobState.CANCELED: frozenset(),
    }
)
