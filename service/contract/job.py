"""The job record; only `service.stores.job_store.commands` writes it."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field

from service.contract.errors import JobError
from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.review import Review
from service.contract.states import JobState
from service.contract.version import Since

ANONYMOUS = "anonymous"
# Used for estimates when a job leaves the number of steps to the preset.
USUAL_STEPS = 20


class JobKind(StrEnum):
    """Kind of job."""

    ANIMATE = "animate"
    POSES = "poses"
    """Pose preview of a driving file, an image or both; such a job ends after `prepare`."""


class DrivingKind(StrEnum):
    """Kind of driving input."""

    VIDEO = "video"
    POSES = "poses"


class Output(StrEnum):
    """Outputs of a finished job, each under `/jobs/{id}/{output}`."""

    RESULT = "result"
    POSTER = "poster"
    POSE = "pose"
    MANIFEST = "manifest"
    KEYPOINTS = "keypoints"
    REVIEW = "review"
    ANALYSIS = "analysis"
    FIT = "fit"
    IMAGE_KEYPOINTS = "image_keypoints"
    SILENT = "silent"


# Fields of `JobInputs` that are object keys.
INPUT_NAMES = ("image", "image_pose", "driving")


class JobInputs(BaseModel):
    """Object keys of the job's inputs, with what inspection found."""

    model_config = ConfigDict(frozen=True)

    image: str | None = Field(None, description="May be absent for a pose preview.")
    image_pose: Annotated[str | None, Since(3)] = Field(
        None, description="Pose file of the image; its pose is detected when absent."
    )
    driving: str = Field(
        description="Of a preview of an image alone the image, which is a video of one frame."
    )
    driving_kind: DrivingKind
    frames: int | None = Field(None, description="Frames of the driving input, if its header says.")
    seconds: float | None = Field(
        None, description="Duration of the driving input, if its header says."
    )
    size_bytes: int = Field(0, description="Total size of the inputs.")

    def object_keys(self) -> dict[str, str]:
        """Return the object keys of the inputs that the job has, by name."""
        named = {name: getattr(self, name) for name in INPUT_NAMES}
        if not self.has_driving:
            del named["driving"]
        return {name: key for name, key in named.items() if key is not None}

    @property
    def has_driving(self) -> bool:
        """False for a preview of an image alone."""
        return self.driving != self.image


class ProgressView(BaseModel):
    """Progress of a job."""

    model_config = ConfigDict(frozen=True)

    step: int = Field(ge=0)
    steps: int = Field(ge=0, description="0 while unknown.")
    fraction: float = Field(ge=0.0, le=1.0, description="Completed fraction of the whole job.")
    eta_s: float | None = Field(None, description="Estimated seconds until the stage ends.")


class Progress(ProgressView):
    """Progress as stored: the one progress type of the wire, `ProgressView`, and its stage."""

    stage: str


class Checkpoint(BaseModel):
    """Saved state of a job's render, from which another worker can resume."""

    model_config = ConfigDict(frozen=True)

    key: str = Field(description="Object key of the state.")
    model: str = Field(
        description="Fingerprint of the model that saved it; another model starts over."
    )
    progress: Progress = Field(description="Progress when the state was saved.")


class JobRecord(BaseModel):
    """A job as stored in Redis. Times are milliseconds since 1970 by the server's clock."""

    model_config = ConfigDict(frozen=True)

    id: str
    state: JobState
    queue: Queue
    kind: JobKind = JobKind.ANIMATE
    caller: str = ANONYMOUS
    params: JobParams
    options: JobOptions = JobOptions()
    inputs: JobInputs
    request_id: str | None = Field(None, description="Id of the submitting request.")
    traceparent: str | None = Field(None, description="Trace context of the submitting request.")
    contract: int = Field(1, description="Lowest contract version that can process it.")
    created_ms: int
    started_ms: int | None = None
    ended_ms: int | None = None
    expires_ms: int | None = Field(None, description="When the ended job is deleted.")
    taken_ms: int | None = Field(None, description="Start of the current lease.")
    waited_ms: int = Field(0, description="Total time in queues.")
    prepare_ms: int = Field(0, description="Time with `prepare` workers, lost ones included.")
    render_ms: int = Field(0, description="Time with `render` workers, lost ones included.")
    seconds: dict[str, float] = Field(
        default_factory=dict, description="Seconds of each stage, as measured by its worker."
    )
    version: int = Field(0, description="Number of the event that last changed the record.")
    token: int = 0
    attempts: int = Field(0, description="Leases of the job in its current queue.")
    worker: str | None = None
    cancel_requested: bool = False
    progress: Progress | None = None
    previews: list[str] = Field(default_factory=list, description="Object keys, oldest first.")
    preview_count: int = 0
    prepared: str | None = Field(None, description="Object key of the output of `prepare`.")
    checkpoint: Checkpoint | None = None
    resumes: int = Field(0, description="Resumes from a checkpoint.")
    outputs: dict[Output, str] = Field(default_factory=dict)
    review: Review | None = None
    warnings: list[str] = Field(default_factory=list)
    error: JobError | None = None


def work_units(inputs: JobInputs, params: JobParams) -> int:
    """Return the size of a job, frames times steps, to which its duration is proportional."""
    return max(1, inputs.frames or 1) * (params.num_inference_steps or USUAL_STEPS)


def new_job_id() -> str:
    """Return a random id of 32 hexadecimal digits."""
    return uuid4().hex


def moment(time_ms: int) -> datetime:
    """Convert milliseconds since 1970 to a UTC time."""
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC)


def optional_moment(time_ms: int | None) -> datetime | None:
    """Do the same; None stays None."""
    return None if time_ms is None else moment(time_ms)
