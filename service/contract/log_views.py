"""View of a job's log."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from service.contract.states import JobState


class LogKind(StrEnum):
    """The kind of an entry in a job's log."""

    STATE = "state"
    """The job's state changed."""
    STAGE = "stage"
    """The worker began a stage."""
    WARNING = "warning"
    """A warning was added to the job."""
    CANCEL = "cancel"
    """Cancellation was requested."""
    DELIVERY = "delivery"
    """A message was sent to the job's webhook, or could not be."""


class LogEntry(BaseModel):
    """An entry of a job's log."""

    at: datetime
    kind: LogKind
    status: JobState = Field(description="State of the job at that time.")
    attempt: int | None = Field(
        None, description="Number of the attempt, of the stage's worker or of the delivery."
    )
    message: str = Field(description="What happened, as one sentence.")


class JobLog(BaseModel):
    """The life of a job, oldest entry first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "entries": [
                    {
                        "at": "2026-11-22T10:00:00Z",
                        "kind": "state",
                        "status": "queued",
                        "message": "queued for prepare",
                    },
                    {
                        "at": "2026-11-22T10:00:00.100Z",
                        "kind": "state",
                        "status": "preparing",
                        "attempt": 1,
                        "message": "a worker started attempt 1 of prepare",
                    },
                ]
            }
        }
    )

    entries: list[LogEntry]
