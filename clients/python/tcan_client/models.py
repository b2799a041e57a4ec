"""Models of the responses. Times are in UTC."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from tcan_client.base import Model
from tcan_client.enums import (
    DeliveryState,
    JobKind,
    JobState,
    LogKind,
    Priority,
    Scope,
    WebhookEvent,
)
from tcan_client.params import JobOptions, JobParams


class Progress(Model):
    """Progress of a job."""

    step: int
    steps: int = Field(description="0 while unknown.")
    fraction: float = Field(description="Completed fraction of the whole job, 0 to 1.")
    eta_s: float | None = Field(default=None, description="Estimated seconds until the stage ends.")


class Timings(Model):
    """Seconds spent on a job so far."""

    waited_s: float
    prepare_s: float
    render_s: float
    stages: dict[str, float]


class Eta(Model):
    """Estimate of when a job ends."""

    seconds: float = Field(description="Seconds from now.")
    relative_error: float | None = Field(default=None, description="Of past jobs; 0.1 is 10 %.")
    estimates: int = Field(description="Number of past jobs in `relative_error`.")


class Links(Model):
    """Related paths; results are present once the job has succeeded."""

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
    silent: str | None = Field(
        default=None, description="The result without sound, if it has sound."
    )
    preview: str | None = Field(default=None, description="The newest preview frame, a WebP.")


class JobError(Model):
    """Why a job failed."""

    code: str = Field(description="Stable code for programs, such as `no_person`.")
    title: str
    detail: str
    stage: str | None = None


class ReviewCell(Model):
    """The place of a picture in a review, in pixels from the top left corner."""

    x: int
    y: int
    width: int
    height: int


class Review(Model):
    """The layout of the output `review`: one video of pictures that show the same frame."""

    width: int
    height: int
    fps: str = Field(description="Frames per second, as a fraction such as 25/1.")
    frames: int
    cells: dict[str, ReviewCell] = Field(description="Places by name, such as `result`.")


class Job(Model):
    """A job."""

    id: str
    version: int = Field(description="Incremented with each change; the `id` of its event.")
    kind: JobKind
    caller: str | None = Field(default=None, description="Owner; shown to the scope `admin` only.")
    status: JobState
    stage: str = Field(description="Current stage, or the queue of a queued job.")
    progress: Progress
    queue_position: int | None = Field(default=None, description="Jobs that workers run before it.")
    eta: Eta | None = None
    attempts: int = Field(description="Times that a worker started the current stage.")
    timings: Timings
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    expires_at: datetime | None = Field(default=None, description="When the ended job is deleted.")
    cancel_requested: bool
    params: JobParams = Field(description="The parameters used, with the seed.")
    options: JobOptions
    warnings: list[str]
    error: JobError | None = None
    review: Review | None = None
    links: Links

    @property
    def has_ended(self) -> bool:
        """True if the job will not change any more."""
        return self.ended_at is not None

    @property
    def is_running(self) -> bool:
        """True if a worker works on the job."""
        return self.status in (JobState.PREPARING, JobState.RUNNING)


class JobList(Model):
    """A page of jobs, newest first."""

    jobs: list[Job]
    next: str | None = Field(default=None, description="Path of the next page.")


class PartForm(Model):
    """A signed form that sends one part of a file to the object store."""

    url: str
    fields: dict[str, str]


class UploadForm(Model):
    """A signed form that sends a file to the object store."""

    id: str
    url: str
    fields: dict[str, str]
    max_bytes: int
    expires_at: datetime
    parts: list[PartForm] | None = Field(
        default=None, description="A form for each part, if parts were asked for."
    )


class Upload(Model):
    """An upload."""

    id: str
    max_bytes: int
    size_bytes: int | None = Field(default=None, description="None while it has not been sent.")
    created_at: datetime
    expires_at: datetime


class UploadList(Model):
    """A page of uploads, newest first."""

    uploads: list[Upload]
    next: str | None = None


class LogEntry(Model):
    """An entry of a job's log."""

    at: datetime
    kind: LogKind
    status: JobState = Field(description="State of the job at that time.")
    attempt: int | None = None
    message: str


class JobLog(Model):
    """The life of a job, oldest entry first."""

    entries: list[LogEntry]


class Allowance(Model):
    """Use of a limit."""

    limit: int | None = Field(default=None, description="None if there is no such limit.")
    used: int | None = Field(default=None, description="None if it is not counted.")
    remaining: int | None = Field(default=None, description="None without a limit.")
    resets_at: datetime | None = Field(default=None, description="For limits per day.")


class StorageUse(Model):
    """Stored jobs, inputs and uploads of a caller."""

    jobs: int
    input_bytes: int
    uploads: int
    upload_bytes: int


class Usage(Model):
    """Use of a caller's limits, jobs and storage; all keys of a caller share it."""

    caller: str
    scopes: list[Scope] = Field(description="Permissions of this key.")
    highest_priority: Priority
    requests_per_minute: Allowance
    queued_jobs: Allowance
    input_bytes_per_day: Allowance
    driving_s_per_day: Allowance
    jobs: dict[JobState, int] = Field(description="Stored jobs by state.")
    storage: StorageUse


class Attempt(Model):
    """One attempt to deliver a webhook message."""

    at: datetime
    took_s: float
    status: int | None = Field(default=None, description="HTTP status; None without a response.")
    error: str | None = Field(default=None, description="Why there was no response.")


class Delivery(Model):
    """A message to a job's webhook."""

    n: int = Field(description="Number of the message within the job, from 1.")
    id: str = Field(description="The `webhook-id`, the same in every attempt.")
    event: WebhookEvent
    url: str
    status: DeliveryState
    created_at: datetime
    next_attempt_at: datetime | None = None
    attempts: list[Attempt] = Field(description="Oldest first; the last 100.")


class DeliveryList(Model):
    """The messages of a job, oldest first."""

    deliveries: list[Delivery]


class Secret(Model):
    """A secret that signs webhook messages."""

    secret: str = Field(description="Secret for a Standard Webhooks library.")
    retires_at: datetime | None = Field(default=None, description="None for the newest.")


class Secrets(Model):
    """Secrets and public keys that verify webhook messages; one match is enough."""

    secrets: list[Secret] = Field(description="Newest first.")
    public_keys: list[str]


class ModelInfo(Model):
    """A model that workers have loaded."""

    preset: str
    description: str
    resolution: int = Field(description="Side of the training images, in pixels.")
    num_inference_steps: int
    guidance_scale: float
    context_size: int | None = None
    context_overlap: int | None = None
    ptm_tau: float | None = None
    scheduler: str | None = None
    weights: dict[str, str] = Field(description="SHA-256 of each part's file.")
    stand_ins: dict[str, str] = Field(
        default_factory=dict, description="Parts without own weights, and what is used instead."
    )
    zero_shot: bool = Field(default=False, description="No part was trained for TCAN.")
    versions: dict[str, str]
    licenses: list[str] = Field(default_factory=list, description="Licences of its weights.")
    workers: int = Field(description="Workers that have loaded this model.")


class ModelList(Model):
    """The models that are currently loaded."""

    models: list[ModelInfo]
