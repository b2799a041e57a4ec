"""What callers see of a job."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from service.contract import examples
from service.contract.errors import JobError
from service.contract.job import JobKind
from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.states import JobState


class ProgressView(BaseModel):
    """How far a job has come."""

    step: int = Field(ge=0)
    steps: int = Field(ge=0, description="0 while they are not known.")
    fraction: float = Field(ge=0.0, le=1.0, description="Of the whole job.")
    eta_s: float | None = Field(None, description="Seconds until the stage should end.")


class Timings(BaseModel):
    """Seconds that the job has spent so far."""

    waited_s: float = Field(description="In queues, all together.")
    prepare_s: float = Field(description="With workers that prepared it, lost ones included.")
    render_s: float = Field(description="With workers that rendered it, lost ones included.")
    stages: dict[str, float] = Field(description="Of each stage, as its worker measured them.")


class Eta(BaseModel):
    """When the job should end."""

    seconds: float = Field(ge=0.0, description="From now.")
    relative_error: float | None = Field(
        None, description="Mean of |estimate - truth| / truth over past jobs; 0.1 is 10 %."
    )
    estimates: int = Field(ge=0, description="Past jobs behind `relative_error`.")


class Links(BaseModel):
    """Where to go from here; results are there once the job has succeeded."""

    self: str
    cancel: str
    events: str
    result: str | None = None
    poster: str | None = None
    pose: str | None = None
    manifest: str | None = None
    keypoints: str | None = None
    preview: str | None = Field(None, description="The newest preview frame, a WebP.")


class JobView(BaseModel):
    """A job."""

    model_config = ConfigDict(json_schema_extra={"example": examples.JOB})

    id: str
    version: int = Field(description="Rises by one with each change; the `id` of its event.")
    kind: JobKind
    caller: str | None = Field(None, description="Whose job it is; told to the scope admin alone.")
    status: JobState
    stage: str = Field(description="What is done now, or what the job waits for.")
    progress: ProgressView
    queue_position: int | None = Field(None, description="0 is next; absent when not waiting.")
    eta: Eta | None = Field(None, description="Absent when ended, or while nothing is known.")
    attempts: int = Field(description="Times that a worker began the present stage.")
    timings: Timings
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    expires_at: datetime | None = Field(None, description="When the ended job is swept away.")
    cancel_requested: bool
    params: JobParams = Field(description="As used, with the seed that was drawn.")
    options: JobOptions
    warnings: list[str]
    error: JobError | None = None
    links: Links


class JobList(BaseModel):
    """A page of jobs, newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "jobs": [examples.JOB],
                "next": "/jobs?limit=1&cursor=1795341600000-8f14e45fceea467a9575ecb2d1f6a0aa",
            }
        }
    )

    jobs: list[JobView]
    next: str | None = Field(None, description="The address of the next page.")
