"""The parameters of an animation: one model for the gateway, the worker and the CLI."""

from __future__ import annotations

import secrets
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.contract.numbers import WHOLE
from service.contract.version import Formerly, Since

MAX_SEED = 2**32 - 1
PRESET = r"^[A-Za-z0-9_.-]{1,100}$"
# Parameters with a default of the preset, which `ModelInfo` names.
PRESET_PARAMS = (
    *("num_inference_steps", "guidance_scale", "context_size", "context_overlap", "ptm_tau"),
    "scheduler",
)
# Frames in a window of most presets; releases before used it where a job names none.
DEFAULT_WINDOW = 16
MAX_TRIM_S = 24 * 3600
CANVAS = r"^[1-9][0-9]{0,4}x[1-9][0-9]{0,4}$"


class ResultFormat(StrEnum):
    """Result formats; the value is the file suffix."""

    MP4 = "mp4"
    WEBM = "webm"
    GIF = "gif"
    ZIP = "zip"


class Sampler(StrEnum):
    """Available schedulers; see `tcan_core.sampling.schedulers`."""

    DDIM = "ddim"
    DPM_2M = "dpm++2m"
    AYS = "ays"
    LCM = "lcm"


class RootMotion(StrEnum):
    """Motion of a retargeted figure in its picture; see `tcan_core.conditioning.root_motion`."""

    FULL = "full"
    BOUNDED = "bounded"
    NONE = "none"


class PoseLayout(StrEnum):
    """Layouts of the bodies in a pose file; see `media.poses.joints`."""

    AUTO = "auto"
    OPENPOSE18 = "openpose18"
    BODY25 = "body25"
    COCO17 = "coco17"
    HALPE26 = "halpe26"
    MEDIAPIPE33 = "mediapipe33"
    WHOLEBODY133 = "wholebody133"
    HALPE136 = "halpe136"


class Trim(BaseModel):
    """A part of the driving video or pose file: the frames from `start_s` on and before `end_s`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    start_s: float = Field(0.0, ge=0.0, le=MAX_TRIM_S, description="Seconds after the first frame.")
    end_s: Annotated[float, Field(gt=0.0, le=MAX_TRIM_S)] | None = Field(
        None, description="Seconds after the first frame; the end of the file when absent."
    )

    @model_validator(mode="after")
    def _starts_before_its_end(self) -> Self:
        if self.end_s is not None and self.start_s >= self.end_s:
            raise ValueError(
                f"start_s must be less than end_s, got {self.start_s:g} and {self.end_s:g}"
            )
        return self


class PosesParams(BaseModel):
    """Parameters that a pose preview and an animation share; every field has a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    # Annotate a new field with `Since` and the contract version that adds it.
    person: Annotated[Annotated[int, Field(ge=0, le=99), WHOLE] | None, Since(2)] = Field(
        None,
        description="Index of the person in the driving video to follow, counted from the left in "
        "the first frame with people, from 0; the main person when absent.",
    )
    trim: Annotated[Trim | None, Since(3)] = Field(
        None, description="Part of the driving video or pose file; all of it when absent."
    )
    layout: Annotated[PoseLayout, Since(3)] = Field(
        PoseLayout.AUTO,
        description="Joints of the bodies in pose files: auto chooses by their number; "
        "coco17 must be asked for, because other programs have other 17 joints. For a driving file "
        "no other layout is read then; image_pose may have any.",
    )
    canvas: Annotated[str | None, Since(3)] = Field(
        None,
        pattern=CANVAS,
        description="Width and height in pixels of the frames from which a driving pose file was "
        "made, such as 1280x720. The file's when absent, else the image's size if all joints are "
        "inside it.",
        examples=["1280x720"],
    )
    fps: Annotated[Annotated[float, Field(ge=0.1, le=1000.0)] | None, Since(3)] = Field(
        None,
        description="Frame rate of a driving pose file. The file's when absent, else 25. A driving "
        "video has its own.",
    )
    preset: Annotated[str | None, Since(3)] = Field(
        None,
        pattern=PRESET,
        description="Preset of the workers that run the job; `GET /models` lists those that are "
        "served. Any worker when absent.",
        examples=["mini"],
    )
    any_subject: Annotated[bool, Since(3)] = Field(
        False,
        description="Go on with inputs that the preset or its detector was not made for, which "
        "otherwise end the job with `not_a_puppet`.",
    )
    retarget: bool = Field(
        True,
        description="Adapt the driving poses to the proportions and position of the character; "
        "false uses them unchanged.",
    )
    root_motion: Annotated[RootMotion | None, Since(3)] = Field(
        None,
        description="How far a retargeted figure moves in its picture: full, as the driving person "
        "relative to its size; bounded, so that it stays as far in the picture as the driving "
        "person in theirs; none, so that the neck stays at its place. bounded when absent.",
    )


class JobParams(PosesParams):
    """Parameters of an animation; every field has a default."""

    # Annotate a new field with `Since` and the contract version that adds it.
    seed: Annotated[int, Field(ge=0, le=MAX_SEED), WHOLE] | None = Field(
        None, description="Seed of the initial noise; random when absent, and reported in the job."
    )
    num_inference_steps: Annotated[int, Field(ge=1, le=200), WHOLE] | None = Field(
        None, description="Denoising steps; the preset's default when absent."
    )
    guidance_scale: Annotated[float, Field(ge=1.0, le=20.0)] | None = Field(
        None,
        description="Classifier-free guidance towards the source image; 1 turns it off and "
        "halves the time. The preset's default when absent.",
    )
    context_size: Annotated[
        Annotated[int, Field(ge=2, le=32), WHOLE] | None, Formerly(DEFAULT_WINDOW)
    ] = Field(
        None,
        description="Frames in one context window, denoised together. The preset's default when "
        "absent, which may be longer.",
    )
    context_overlap: Annotated[int, Field(ge=0, le=31), WHOLE] | None = Field(
        None,
        description="Frames shared by neighbouring windows, less than context_size, or than 16 "
        "without one. The preset's default when absent.",
    )
    ptm_tau: Annotated[Annotated[float, Field(ge=0.0, le=10.0)] | None, Formerly(3.0)] = Field(
        None,
        description="Strength of the pose-driven temperature map, which stabilizes the background; "
        "0 turns it off. The preset's default when absent: 3, or 0 if it takes maps.",
    )
    scheduler: Annotated[Sampler | None, Since(2)] = Field(
        None,
        description="ddim, or for few steps: dpm++2m, ays (Align Your Steps, ten steps), lcm (two "
        "to eight steps, needs an LCM-LoRA in the preset). The preset's default when absent.",
    )
    cache_interval: Annotated[int, Field(ge=1, le=10), WHOLE, Since(2)] = Field(
        1,
        description="Run the whole network every n-th step and reuse its deep features between. 1 "
        "turns caching off; 2 or 3 are faster and less exact.",
    )

    format: ResultFormat = Field(
        ResultFormat.MP4,
        description="Result format: mp4 (H.264), webm (VP9), gif (256 colours), or a zip of PNGs.",
    )

    audio: Annotated[bool, Since(3)] = Field(
        False,
        description="Give the result the sound of the driving video, copied or re-encoded. Only "
        "mp4 has sound; a warning says if it is left out.",
    )

    @model_validator(mode="after")
    def _overlap_fits_window(self) -> Self:
        size = DEFAULT_WINDOW if self.context_size is None else self.context_size
        if self.context_overlap is not None and self.context_overlap >= size:
            absent = ", which counts as 16 while it is absent" if self.context_size is None else ""
            raise ValueError(
                f"context_overlap must be less than context_size{absent}, "
                f"got {self.context_overlap} and {size}"
            )
        return self

    def with_seed(self) -> JobParams:
        """Return the parameters with a random seed if none was given."""
        if self.seed is not None:
            return self
        return self.model_copy(update={"seed": secrets.randbelow(MAX_SEED + 1)})
