"""Limits on uploaded files, the same for gateway and worker."""

from __future__ import annotations

from dataclasses import replace

from pydantic import BaseModel, ConfigDict, Field

from media.limits import MediaLimits, PoseFileLimits

MIB = 1024 * 1024


class InputLimits(BaseModel):
    """Limits on an image, a driving video and a pose file.

    They are stricter than the defaults of `media.limits`, which apply to a user's own files.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_image_bytes: int = Field(32 * MIB, gt=0, description="Size of an image file.")
    max_driving_bytes: int = Field(1024 * MIB, gt=0, description="Size of a driving video file.")
    max_pose_bytes: int = Field(32 * MIB, gt=0, description="Size of a pose file.")
    max_image_pixels: int = Field(
        40_000_000, gt=0, description="Width times height of an image, as its header declares."
    )
    max_image_aspect: float = Field(
        MediaLimits.max_aspect,
        ge=1.0,
        description="Longer over shorter side of an image; the model's work grows with it.",
    )
    max_frame_pixels: int = Field(
        8_847_360,
        gt=0,
        description="Width times height of a driving video or of a pose file's canvas; 4096x2160 "
        "is allowed.",
    )
    max_driving_pixels: int = Field(
        8_000_000_000,
        gt=0,
        description="Pixels in all frames of a driving video; 3600 frames of 1920x1080 are "
        "allowed.",
    )
    max_frames: int = Field(3600, gt=0, description="Frames of a driving video or a pose file.")
    max_duration_s: float = Field(
        MediaLimits.max_duration_s, gt=0.0, description="Duration of a driving video."
    )
    min_side: int = Field(
        MediaLimits.min_side,
        gt=0,
        description="Shorter side of an image, a video or a pose file's canvas, in pixels.",
    )
    decoder_memory_bytes: int = Field(
        2048 * MIB,
        ge=64 * MIB,
        description="Memory of the worker's process that decodes a whole file.",
    )
    probe_memory_bytes: int = Field(
        704 * MIB,
        ge=64 * MIB,
        description="Memory of all processes together that inspect files for a gateway: one at a "
        "time for a WebP or AVIF image or a large pose file, otherwise two.",
    )
    probe_requests: int = Field(
        16,
        ge=1,
        description="Requests of one caller that one of these processes inspects before a new one "
        "takes its place; 1: a new process for each request.",
    )
    decoder_cpu_s: int = Field(
        300, gt=0, description="Processor time for decoding a whole driving video."
    )

    def max_bytes(self) -> dict[str, int]:
        """Return the limits on the sizes of a job's inputs by name."""
        return {
            "image": self.max_image_bytes,
            "driving": self.max_driving_bytes,
            "image_pose": self.max_pose_bytes,
        }

    def image(self) -> MediaLimits:
        """Return the limits on an image."""
        return MediaLimits(
            max_bytes=self.max_image_bytes,
            max_pixels=self.max_image_pixels,
            min_side=self.min_side,
            max_aspect=self.max_image_aspect,
        )

    def video(self) -> MediaLimits:
        """Return the limits on a driving video."""
        return MediaLimits(
            max_bytes=self.max_driving_bytes,
            max_pixels=self.max_frame_pixels,
            max_frames=self.max_frames,
            max_duration_s=self.max_duration_s,
            max_video_pixels=self.max_driving_pixels,
            min_side=self.min_side,
        )

    def image_or_video(self) -> MediaLimits:
        """Return the limits on a file that is either."""
        return replace(
            self.video(),
            max_bytes=max(self.max_image_bytes, self.max_driving_bytes),
            max_pixels=max(self.max_image_pixels, self.max_frame_pixels),
            max_aspect=self.max_image_aspect,
        )

    def pose_file(self) -> PoseFileLimits:
        """Return the limits on a pose file, within those of the worker's reader."""
        return PoseFileLimits(
            max_bytes=self.max_pose_bytes,
            max_frames=min(self.max_frames, PoseFileLimits.max_frames),
            min_side=self.min_side,
            max_pixels=self.max_frame_pixels,
        )
