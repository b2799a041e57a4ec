"""Limits on what callers send; gateway and worker hold to the same ones."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

MIB = 1024 * 1024

# A request holds its idempotency key by claims of this length, renewed while it is accepted: so
# long the key is taken after a gateway died. Clients wait longer for it.
CLAIM_MS = 10_000


class InputLimits(BaseModel):
    """Bounds on an image, a driving video and a pose file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_image_bytes: int = Field(32 * MIB, gt=0)
    max_driving_bytes: int = Field(1024 * MIB, gt=0, description="Of a driving video.")
    max_pose_bytes: int = Field(32 * MIB, gt=0, description="Of a pose file.")
    max_image_pixels: int = Field(40_000_000, gt=0, description="Width times height, as declared.")
    max_image_aspect: float = Field(
        4.0, ge=1.0, description="Longer side over shorter: the model's work grows with it."
    )
    max_frame_pixels: int = Field(
        8_847_360, gt=0, description="Of one frame of a video: 4096x2160 fits."
    )
    max_driving_pixels: int = Field(
        8_000_000_000, gt=0, description="Of all frames of a video: 3600 of 1920x1080 fit."
    )
    max_frames: int = Field(3600, gt=0, description="Of a driving video or a pose file.")
    max_duration_s: float = Field(300.0, gt=0.0, description="Of a driving video.")
    min_side: int = Field(16, gt=0, description="Shorter side of an image or a video, in pixels.")
    decoder_memory_bytes: int = Field(
        2048 * MIB,
        ge=64 * MIB,
        description="That the worker's process which decodes the whole of a file may take.",
    )
    probe_memory_bytes: int = Field(
        704 * MIB,
        ge=64 * MIB,
        description="That the processes which look at files for a gateway may take together: one "
        "for a WebP or AVIF picture or a big pose file, else two at a time.",
    )
    decoder_cpu_s: int = Field(
        300, gt=0, description="Processor time for decoding the whole of a driving video."
    )
