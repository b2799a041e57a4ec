"""The job record: the truth about a job, written only through `service.stores.calls`."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from service.contract.errors import JobError
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.states import JobState


class DrivingKind(StrEnum):
    """What drives the animation."""

    VIDEO = "video"
    POSES = "poses"


class Output(StrEnum):
    """What a finished job offers, each under `/jobs/{id}/{output}`."""

    RESULT = "result"
    POSTER = "poster"
    POSE = "pose"
    MANIFEST = "manifest"


class JobInputs(BaseModel):
    """Keys of the job's inputs in the object store, and what they were found to be."""

    model_config = ConfigDict(frozen=True)

    image: str
    driving: str
    driving_kind: DrivingKind


class Progress(BaseModel):
    """How far a job has come; `fraction` is 0..1 over the whole job."""

    model_config = ConfigDict(frozen=True)

    stage: str
    step: int = Field(ge=0)
    steps: int = Field(ge=0)
    fraction: float = Field(ge=0.0, le=1.0)
    eta_s: float | None = Field(None, ge=0.0, description="Seconds until the stage should end.")


class JobRecord(BaseModel):
    """A job as it stands in Redis. Times are milliseconds since 1970 by the server's clock."""

    model_config = ConfigDict(frozen=True)

    id: str
    state: JobState
    queue: Queue
    params: JobParams
    inputs: JobInputs
    created_ms: int
    started_ms: int | None = None
    ended_ms: int | None = None
    token: int = 0
    attempts: int = Field(0, description="Times a worker has taken the job in its present queue.")
    worker: str | None = None
    cancel_requested: bool = False
    progress: Progress | None = None
    prepared: str | None = Field(None, description="Key of what `prepare` left for `render`.")
    outputs: dict[Output, str] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)
    error: JobError | None = None


def new_job_id() -> str:
    """An id that cannot be guessed: 32 hexadecimal digits."""
    return uuid4().hex


def moment(time_ms: int | None) -> datetime | None:
    """Milliseconds since 1970 as a time in UTC."""
    return None if time_ms is None else datetime.fromtimestamp(time_ms / 1000, tz=UTC)
