"""Views of jobs and upload forms, as the API returns them."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from service.contract import examples
from service.contract.errors import JobError
from service.contract.job import JobKind, ProgressView
from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.review import Review
from service.contract.states import JobState


class Timings(BaseModel):
    """Seconds spent on the job so far."""

    waited_s: float = Field(description="Total time in queues.")
    prepare_s: float = Field(description="Time with `prepare` workers, lost ones included.")
    render_s: float = Field(description="Time with `render` workers, lost ones included.")
    stages: dict[str, float] = Field(
        description="Seconds of each stage, as measured by its worker."
    )


class Eta(BaseModel):
    """Estimate of when the job ends."""

    seconds: float = Field(ge=0.0, description="Seconds from now.")
    relative_error: float | None = Field(
        None, description="Mean of |estimate - actual| / actual over past jobs; 0.1 is 10 %."
    )
    estimates: int = Field(ge=0, description="Number of past jobs in `relative_error`.")


class Links(BaseModel):
    """Related paths, or URLs if the operator has set TCAN_PUBLIC_URL; results once they exist."""

    self: str
    cancel: str
    events: str
    result: str | None = None
    poster: str | None = None
    pose: str | None = None
    manifest: str | None = None
    keypoints: str | None = None
    review: str | None = None
    analysis: str | None = None
    fit: str | None = None
    image_keypoints: str | None = None
    silent: str | None = Field(None, description="The result without sound, if it has sound.")
    preview: str | None = Field(None, description="The newest preview frame, a WebP.")


class JobView(BaseModel):
    """A job."""

    model_config = ConfigDict(json_schema_extra={"example": examples.JOB})

    id: str
    version: int = Field(
        description="Incremented with each change; the `id` of the change's event."
    )
    kind: JobKind
    caller: str | None = Field(
        None, description="Owner of the job; shown to the scope `admin` only."
    )
    status: JobState
    stage: str = Field(description="Current stage, or the queue of a queued job.")
    progress: ProgressView
    queue_position: int | None = Field(
        None, description="Jobs that workers run before it; absent when not queued."
    )
    eta: Eta | None = Field(
        None, description="Absent when the job has ended or there is no estimate."
    )
    attempts: int = Field(description="Times that a worker started the current stage.")
    timings: Timings
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    expires_at: datetime | None = Field(None, description="When the ended job is deleted.")
    cancel_requested: bool
    params: JobParams = Field(description="The parameters used, with the seed.")
    options: JobOptions
    warnings: list[str]
    error: JobError | None = None
    review: Review | None = Field(
        None, description="Layout of the video at `links.review`, once there is one."
    )
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
    next: str | None = Field(None, description="Path or URL of the next page.")


class PartForm(BaseModel):
    """A form of one part: POST `fields` and then the part as `file`, in multipart/form-data."""

    url: str
    fields: dict[str, str]


class UploadView(BaseModel):
    """An upload form: POST `fields` and then the file as `file`, in multipart/form-data."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "5f1c0c3a9c4b4b6f8e5d0f6a7b8c9d0e",
                "url": "https://bucket.s3.amazonaws.com/",
                "fields": {"key": "uploads/5f1c0c3a9c4b4b6f8e5d0f6a7b8c9d0e/file", "policy": "..."},
                "max_bytes": 1073741824,
                "expires_at": "2026-11-22T11:00:00Z",
            }
        }
    )

    id: str = Field(description="Value for `image_upload` or `driving_upload`.")
    url: str = Field(
        description="Relative to the service's URL if the gateway itself accepts the file."
    )
    fields: dict[str, str]
    max_bytes: int
    expires_at: datetime = Field(description="When the forms expire.")
    parts: list[PartForm] | None = Field(
        None,
        description="With `part_bytes`: a form for each part of the file, in their order. Each may "
        "be sent more than once; `POST /uploads/{upload_id}/join` then makes the file of them.",
    )
