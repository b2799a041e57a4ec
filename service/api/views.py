"""What callers see of a job."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from service.api import examples
from service.api.eta import Eta, estimate
from service.contract.errors import JobError
from service.contract.job import JobKind, JobRecord, Output, moment
from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.states import JobState
from service.stores.calls import Placed


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


def view(
    record: JobRecord,
    position: int | None = None,
    eta: Eta | None = None,
    *,
    tell_caller: bool = False,
) -> JobView:
    """The caller's side of a record."""
    created_at = moment(record.created_ms)
    assert created_at is not None
    return JobView(
        id=record.id,
        version=record.version,
        kind=record.kind,
        caller=record.caller if tell_caller else None,
        status=record.state,
        stage=_stage(record),
        progress=_progress(record),
        queue_position=position,
        eta=eta,
        attempts=record.attempts,
        timings=_timings(record),
        created_at=created_at,
        started_at=moment(record.started_ms),
        ended_at=moment(record.ended_ms),
        expires_at=moment(record.expires_ms),
        cancel_requested=record.cancel_requested,
        params=record.params,
        options=record.options,
        warnings=record.warnings,
        error=record.error,
        links=_links(record),
    )


def view_placed(placed: Placed, *, tell_caller: bool = False) -> JobView:
    """The caller's side of a record with its place in the queue and its estimate."""
    return view(placed.record, placed.position, estimate(placed), tell_caller=tell_caller)


def _timings(record: JobRecord) -> Timings:
    return Timings(
        waited_s=record.waited_ms / 1000,
        prepare_s=record.prepare_ms / 1000,
        render_s=record.render_ms / 1000,
        stages={stage: round(seconds, 3) for stage, seconds in record.seconds.items()},
    )


def _stage(record: JobRecord) -> str:
    if record.state.is_leased and record.progress is not None:
        return record.progress.stage
    return record.queue.value


def _progress(record: JobRecord) -> ProgressView:
    shown = ProgressView(step=0, steps=0, fraction=0.0)
    if record.progress is not None:
        shown = ProgressView.model_validate(record.progress.model_dump(exclude={"stage"}))
    if record.state is JobState.SUCCEEDED:
        return shown.model_copy(update={"fraction": 1.0, "eta_s": None})
    return shown if record.state.is_leased else shown.model_copy(update={"eta_s": None})


def _links(record: JobRecord) -> Links:
    here = f"/jobs/{record.id}"
    results = {output.value: f"{here}/{output}" for output in Output if output in record.outputs}
    preview = f"{here}/previews/{record.preview_count}" if record.preview_count else None
    return Links(
        self=here, cancel=f"{here}/cancel", events=f"{here}/events", preview=preview, **results
    )
