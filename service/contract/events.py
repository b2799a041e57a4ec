"""Events of a job: what a poll would have seen at each change of its record."""

from __future__ import annotations

from enum import StrEnum


class EventKind(StrEnum):
    """What changed; the `event:` of a server-sent event."""

    STATE = "state"
    """The job's state, or the queue that it waits in."""
    PROGRESS = "progress"
    PREVIEW = "preview"
    """Another preview frame can be fetched."""
    CANCEL = "cancel"
    """A cancel was asked for; the worker will hear of it."""
