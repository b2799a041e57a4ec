"""Parameters and options of a job. `None` leaves a value to the service.

A field that this version does not know can be given all the same; the service checks every value.
"""

from __future__ import annotations

from pydantic import Field

from tcan_client.base import Model
from tcan_client.enums import PoseLayout, Priority, ResultFormat, RootMotion, Sampler, WebhookEvent


class Trim(Model):
    """A part of the driving video or pose file, in seconds after its first frame."""

    start_s: float | None = None
    end_s: float | None = Field(default=None, description="By default, the end of the file.")


class PosesParams(Model):
    """Parameters of a pose preview."""

    person: int | None = Field(
        default=None,
        description="Person in the driving video to follow, counted from the left, from 0.",
    )
    trim: Trim | None = Field(default=None, description="Part of the driving video to use.")
    preset: str | None = Field(
        default=None, description="Preset of the workers that run the job; any by default."
    )
    layout: PoseLayout | None = Field(
        default=None, description="Joints of the bodies in pose files; by default, by their number."
    )
    canvas: str | None = Field(
        default=None, description="Size of the frames of a driving pose file, such as 1280x720."
    )
    fps: float | None = Field(default=None, description="Frame rate of a driving pose file.")
    any_subject: bool | None = Field(
        default=None, description="Whether to continue with inputs that the preset is not made for."
    )
    retarget: bool | None = Field(
        default=None, description="Whether to fit the driving poses to the character's proportions."
    )
    root_motion: RootMotion | None = Field(
        default=None,
        description="How far the figure moves in its picture; by default, as far as the driving "
        "person stays inside theirs.",
    )


class JobParams(PosesParams):
    """Parameters of an animation.

    Example:
        JobParams(seed=7, num_inference_steps=12, format=ResultFormat.GIF)
    """

    seed: int | None = Field(default=None, description="Seed of the initial noise.")
    num_inference_steps: int | None = Field(default=None, description="Denoising steps.")
    guidance_scale: float | None = Field(
        default=None, description="Guidance towards the source image; 1 turns it off."
    )
    context_size: int | None = Field(default=None, description="Frames that are denoised together.")
    context_overlap: int | None = Field(
        default=None, description="Frames shared by neighbouring windows."
    )
    ptm_tau: float | None = Field(
        default=None, description="Strength of the pose-driven temperature map; 0 turns it off."
    )
    scheduler: Sampler | None = None
    cache_interval: int | None = Field(
        default=None, description="Run the whole network at every n-th step only."
    )
    format: ResultFormat | None = Field(default=None, description="Format of the result.")
    audio: bool | None = Field(
        default=None, description="Whether an mp4 has the sound of the driving video."
    )


class Webhook(Model):
    """URL that receives signed messages about the job."""

    url: str
    events: tuple[WebhookEvent, ...] | None = Field(
        default=None, description="Events to send; by default, every end of the job."
    )


class JobOptions(Model):
    """Options of a job that do not affect the animation.

    Example:
        JobOptions(priority=Priority.LOW, webhook=Webhook(url="https://studio.example/tcan"))
    """

    ttl_s: int | None = Field(
        default=None, description="Seconds to keep the ended job and its results."
    )
    priority: Priority | None = None
    start_deadline_s: int | None = Field(
        default=None, description="Seconds from submission until a worker must start the job."
    )
    run_deadline_s: int | None = Field(
        default=None, description="Seconds from the first start until the job must end."
    )
    webhook: Webhook | None = None
    consent: str | None = Field(
        default=None, description="Declaration of consent of the people shown."
    )
    metadata: dict[str, str] | None = Field(
        default=None,
        description="Your own texts by name; returned with the job, and a filter of lists.",
    )
