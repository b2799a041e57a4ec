"""Enums of the API. They accept values that a newer service has added."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class OpenEnum(StrEnum):
    """An enum of strings in which an unknown value becomes a member outside the listed ones."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member


class JobState(OpenEnum):
    """State of a job. In `queued`, no worker works on it."""

    QUEUED = "queued"
    PREPARING = "preparing"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


class JobKind(OpenEnum):
    """Kind of job."""

    ANIMATE = "animate"
    POSES = "poses"
    """Pose preview of a driving file, an image or both."""


class Output(OpenEnum):
    """Outputs of a job that has succeeded."""

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


class EventKind(OpenEnum):
    """Kind of a change of a job."""

    STATE = "state"
    PROGRESS = "progress"
    PREVIEW = "preview"
    CANCEL = "cancel"
    QUEUE = "queue"
    """A waiting job moved in its queue."""


class LogKind(OpenEnum):
    """Kind of an entry in a job's log."""

    STATE = "state"
    STAGE = "stage"
    WARNING = "warning"
    CANCEL = "cancel"
    DELIVERY = "delivery"


class Scope(OpenEnum):
    """Permission of an API key."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"


class Priority(OpenEnum):
    """Priority classes: a class starts only when no job of a higher one is queued."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class Sampler(OpenEnum):
    """Schedulers of the denoising."""

    DDIM = "ddim"
    DPM_2M = "dpm++2m"
    AYS = "ays"
    LCM = "lcm"


class RootMotion(OpenEnum):
    """How far a retargeted figure moves in its picture."""

    FULL = "full"
    """As the driving person, relative to its size."""
    BOUNDED = "bounded"
    """As far inside the picture as the driving person."""
    NONE = "none"


class PoseLayout(OpenEnum):
    """Joints of the bodies in a pose file, as programs write them."""

    AUTO = "auto"
    """Chosen by the number of joints; COCO's 17 must be asked for."""
    OPENPOSE18 = "openpose18"
    BODY25 = "body25"
    COCO17 = "coco17"
    HALPE26 = "halpe26"
    MEDIAPIPE33 = "mediapipe33"
    WHOLEBODY133 = "wholebody133"
    HALPE136 = "halpe136"


class ResultFormat(OpenEnum):
    """Result formats; the value is the file suffix."""

    MP4 = "mp4"
    WEBM = "webm"
    GIF = "gif"
    ZIP = "zip"


class WebhookEvent(OpenEnum):
    """Events that a webhook can receive."""

    RUNNING = "job.running"
    SUCCEEDED = "job.succeeded"
    FAILED = "job.failed"
    CANCELED = "job.canceled"


class DeliveryState(OpenEnum):
    """State of a webhook message."""

    PENDING = "pending"
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"
    """Every attempt failed."""
    DISABLED = "disabled"
    """The receiver answered 410 to this message or an earlier one."""
