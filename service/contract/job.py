"""The job record, written only through `service.stores.job_store.commands`."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from service.contract.errors import JobError
from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.states import JobState

ANONYMOUS = "anonymous"
# Stands for the preset's own number of steps where a job's length is estimated.
USUAL_STEPS = 20


class JobKind(StrEnum):
    """What is made."""

    ANIMATE = "animate"
    POSES = "poses"
    """A preview of the driver's poses; such a job ends after `prepare`."""


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
    KEYPOINTS = "keypoints"


class JobInputs(BaseModel):
    """Keys of the job's inputs in the object store, and what they were found to be."""

    model_config = ConfigDict(frozen=True)

    image: str | None = Field(None, description="A preview of poses has none.")
    driving: str
    driving_kind: DrivingKind
    frames: int | None = Field(None, description="Of the driver, as far as its header tells.")
    seconds: float | None = Field(None, description="Likewise.")
    size_bytes: int = Field(0, description="Of all inputs together.")


class Progress(BaseModel):
    """How far a job has come; `fraction` is 0..1 over the whole job."""

    model_config = ConfigDict(frozen=True)

    stage: str
    step: int = Field(ge=0)
    steps: int = Field(ge=0)
    fraction: float = Field(ge=0.0, le=1.0)
    eta_s: float | None = Field(None, ge=0.0, description="Seconds until the stage should end.")


class Checkpoint(BaseModel):
    """Where a job's render may go on, should its worker be lost or leave."""

    model_config = ConfigDict(frozen=True)

    key: str = Field(description="Of the state, in the object store.")
    model: str = Field(description="Mark of the model that made it; another one begins anew.")
    progress: Progress = Field(description="As it was when the state was kept.")


class JobRecord(BaseModel):
    """A job as it stands in Redis. Times are milliseconds since 1970 by the server's clock."""

    model_config = ConfigDict(frozen=True)

    id: str
    state: JobState
    queue: Queue
    kind: JobKind = JobKind.ANIMATE
    caller: str = ANONYMOUS
    params: JobParams
    options: JobOptions = JobOptions()
    inputs: JobInputs
    request_id: str | None = Field(None, description="Of the request that made it.")
    traceparent: str | None = Field(None, description="Where its trace goes on.")
    contract: int = Field(1, description="The least that a worker must know to take it.")
    created_ms: int
    started_ms: int | None = None
    ended_ms: int | None = None
    expires_ms: int | None = Field(None, description="When an ended job is swept away.")
    taken_ms: int | None = Field(None, description="When the present lease was taken.")
    waited_ms: int = Field(0, description="In queues, all together.")
    prepare_ms: int = Field(0, description="With workers of that queue, lost ones included.")
    render_ms: int = Field(0, description="Likewise.")
    seconds: dict[str, float] = Field(
        default_factory=dict, description="Of each stage, as its worker measured them."
    )
    version: int = Field(0, description="Number of the event that last changed the record.")
    token: int = 0
    attempts: int = Field(0, description="Times a worker has taken the job in its present queue.")
    worker: str | None = None
    cancel_requested: bool = False
    progress: Progress | None = None
    previews: list[str] = Field(default_factory=list, description="Keys, oldest first.")
    preview_count: int = 0
    prepared: str | None = Field(None, description="Key of what `prepare` left for `render`.")
    checkpoint: Checkpoint | None = None
    resumes: int = Field(0, description="Times a worker went on from a checkpoint.")
    outputs: dict[Output, str] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)
    error: JobError | None = None


def work_units(inputs: JobInputs, params: JobParams) -> int:
    """The size of a job: frames times steps. Jobs of equal size should take equally long."""
    return max(1, inputs.frames or 1) * (params.num_inference_steps or USUAL_STEPS)


def new_job_id() -> str:
    """An id that cannot be guessed: 32 hexadecimal digits."""
    return uuid4().hex


def moment(time_ms: int | None) -> datetime | None:
    """Milliseconds since 1970 as a time in UTC."""
    return None if time_ms is None else datetime.fromtimestamp(time_ms / 1000, tz=UTC)
