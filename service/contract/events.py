"""Kinds of a job's events."""

from __future__ import annotations

from enum import StrEnum


class EventKind(StrEnum):
    """The kind of a change; the `event:` field of a server-sent event."""

    STATE = "state"
    """The job's state or queue changed."""
    PROGRESS = "progress"
    PREVIEW = "preview"
    """A new preview frame is available."""
    CANCEL = "cancel"
    """Cancellation was requested; the worker will stop soon."""
    QUEUE = "queue"
    """A waiting job's place in its queue moved, without a change of the job itself."""
