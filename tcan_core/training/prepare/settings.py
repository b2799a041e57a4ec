"""Settings of data preparation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from media.limits import MediaLimits
from media.timing import MAX_FPS
from tcan_core.errors import ParameterError
from tcan_core.training.prepare.crops import Size
from tcan_core.training.prepare.quality import QualitySettings
from tcan_core.training.prepare.sources import ImageKind

MAX_CROPS = 32


@dataclass(frozen=True)
class PrepareSettings:
    """Settings of data preparation.

    Attributes:
        preset: preset whose autoencoder encodes the clips.
        weights: folder with the preset's parts; None uses the preset's own.
        sizes: (height, width) of the clips in pixels, one or several: each clip has the one whose
            aspect ratio is the nearest to its images'; empty uses the preset's square.
        images: whether the images of a folder are the frames of a clip, or separate pictures of one
            person, which serve stage 1 alone.
        fps: frames per second of folders of frames.
        crops: number of random crops of each training clip in shards, besides its whole images.
        flips: mirror every second of these crops, beginning with the first.
        detector: name of the pose detector; None uses the preset's.
        device: torch device of the autoencoder.
        validation_share: fraction of the videos held out for validation, chosen by name, 0..1.
        max_clip_frames: longer clips are cut into parts of about equal length.
        max_duration_s: longer videos are rejected.

    Raises:
        ParameterError: a value is out of its range.
    """

    preset: str = "sd15"
    weights: Path | None = None
    sizes: tuple[Size, ...] = ()
    images: ImageKind = "frames"
    fps: float = 25.0
    crops: int = 3
    flips: bool = True
    detector: str | None = None
    device: str = "cpu"
    validation_share: float = 0.05
    max_clip_frames: int = 600
    max_duration_s: float = 12 * 3600.0
    quality: QualitySettings = field(default_factory=QualitySettings)

    def __post_init__(self) -> None:
        if not 1 <= self.fps <= MAX_FPS:
            raise ParameterError(f"fps is {self.fps}; it must be in 1..{MAX_FPS}")
        if not 0 <= self.crops <= MAX_CROPS:
            raise ParameterError(f"crops is {self.crops}; it must be in 0..{MAX_CROPS}")
        if not 0 <= self.validation_share < 1:
            raise ParameterError(
                f"validation_share is {self.validation_share}; it must be at least 0 and below 1"
            )
        if not 0 < self.max_duration_s < float("inf"):
            raise ParameterError(f"max_duration_s is {self.max_duration_s}; it must be above 0")
        if self.max_clip_frames < self.quality.min_frames:
            raise ParameterError(
                f"max_clip_frames is {self.max_clip_frames}; it must be at least min_frames, "
                f"{self.quality.min_frames}"
            )

    def limits(self) -> MediaLimits:
        """Return generous limits: the user's own videos are streamed, of any size and rate."""
        frames = max(1, round(self.max_duration_s * MAX_FPS))
        pixels = MediaLimits.max_pixels * frames
        return MediaLimits(
            max_bytes=2**40,
            max_frames=frames,
            max_duration_s=self.max_duration_s,
            max_video_pixels=pixels,
        )
