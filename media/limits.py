"""Limits on files that are read; each is checked before any pixels are decoded."""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction

from media.errors import MediaError, ParameterError, PoseFileError, Problem
from media.files import MediaFile

DEFAULT_FPS = Fraction(25)  # of videos and pose files that do not declare a frame rate


@dataclass(frozen=True)
class _Limits:
    """Positive numbers. Raises ParameterError when one is not."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise ParameterError(f"{field.name} is {value}; it must be above 0")


@dataclass(frozen=True)
class MediaLimits(_Limits):
    """Limits on an image or a video.

    Attributes:
        max_bytes: size of the file.
        max_pixels: width times height of one image, as the file declares it.
        max_frames: frames of a video at the constant rate at which it is read.
        max_duration_s: length of a video in seconds.
        max_video_pixels: width times height times frames of a video.
        min_side: smallest width and height in pixels.
        max_aspect: longer over shorter side of the image that is animated. Its shorter side is
            scaled to the model's resolution, so work and memory grow with the longer one.
    """

    max_bytes: int = 512 * 1024 * 1024
    max_pixels: int = 50_000_000
    max_frames: int = 9_000
    max_duration_s: float = 300.0
    max_video_pixels: int = 12_000_000_000
    min_side: int = 16
    max_aspect: float = 4.0

    def check_file(self, file: MediaFile) -> None:
        """Raise MediaError when the file is missing, empty or too large."""
        size = file.size_bytes()
        if size is None:
            is_folder = file.path.is_dir()
            raise MediaError(
                f"{file.name}: {'a folder, not a file' if is_folder else 'there is no such file'}"
            )
        if size == 0:
            raise MediaError(f"{file.name}: the file is empty (0 bytes)")
        if size > self.max_bytes:
            raise MediaError(
                f"{file.name}: the file has {size:,} bytes; at most {self.max_bytes:,} are allowed",
                Problem.TOO_LARGE,
            )

    def check_size(self, name: str, height: int, width: int) -> None:
        """Raise MediaError when an image of this size is too small or too large."""
        if min(height, width) < self.min_side:
            raise MediaError(
                f"{name}: the size is {width}x{height} pixels;"
                f" each side must have at least {self.min_side}",
                Problem.TOO_SMALL,
            )
        if height * width > self.max_pixels:
            raise MediaError(
                f"{name}: the size is {width}x{height} = {height * width:,} pixels;"
                f" at most {self.max_pixels:,} are allowed",
                Problem.TOO_LARGE,
            )

    def check_aspect(self, name: str, height: int, width: int) -> None:
        """Raise MediaError when an image is too narrow to be animated."""
        if max(height, width) > self.max_aspect * min(height, width):
            raise MediaError(
                f"{name}: the image is {width}x{height} pixels; the longer side may have at"
                f" most {self.max_aspect:g} times as many as the shorter",
                Problem.TOO_NARROW,
            )

    def check_extent(self, name: str, num_frames: int, height: int, width: int) -> None:
        """Raise MediaError when all frames of a video together have too many pixels."""
        pixels = num_frames * height * width
        if pixels > self.max_video_pixels:
            raise MediaError(
                f"{name}: {num_frames:,} frames of {width}x{height} are {pixels:,} pixels;"
                f" at most {self.max_video_pixels:,} are allowed",
                Problem.TOO_LARGE,
            )

    def check_duration(self, name: str, duration_s: float) -> None:
        """Raise MediaError when a video lasts too long."""
        if duration_s > self.max_duration_s:
            raise MediaError(
                f"{name}: the video lasts {duration_s:.1f} s;"
                f" at most {self.max_duration_s:.1f} s are allowed",
                Problem.TOO_LONG,
            )

    def check_frames(self, name: str, count: int) -> None:
        """Raise MediaError when a video has too many frames."""
        if count > self.max_frames:
            raise MediaError(
                f"{name}: the video has {count:,} frames; at most {self.max_frames:,} are allowed",
                Problem.TOO_LONG,
            )


@dataclass(frozen=True)
class PoseFileLimits(_Limits):
    """Limits on a pose file.

    Attributes:
        max_bytes: size of the file.
        max_frames: number of frames.
        max_people: people in one frame.
        min_side: smallest width and height of the canvas in pixels.
        max_side: largest width and height of the canvas in pixels.
        max_pixels: width times height of the canvas.
    """

    max_bytes: int = 128 * 1024 * 1024
    max_frames: int = 9_000
    max_people: int = 100
    min_side: int = 1
    max_side: int = 16_384
    max_pixels: int = 16_384 * 16_384

    def check_bytes(self, name: str, size: int) -> None:
        """Raise PoseFileError when a file is empty or too large."""
        if size == 0:
            raise PoseFileError(f"{name}: the file is empty (0 bytes)")
        if size > self.max_bytes:
            raise PoseFileError(
                f"{name}: the file has {size:,} bytes; at most {self.max_bytes:,} are allowed",
                Problem.TOO_LARGE,
            )

    def check_frames(self, name: str, count: int) -> None:
        """Raise PoseFileError when a file has no frames or too many."""
        if not 1 <= count <= self.max_frames:
            raise PoseFileError(
                f"{name}: the file has {count:,} frames; 1 to {self.max_frames:,} are allowed",
                Problem.TOO_LONG if count else Problem.INVALID,
            )

    def check_canvas(self, where: str, height: int, width: int) -> None:
        """Raise PoseFileError when the canvas is too small or too large."""
        if min(height, width) < self.min_side or height * width > self.max_pixels:
            raise PoseFileError(
                f"{where}: the canvas is {width}x{height} pixels; each side must be at least"
                f" {self.min_side}, and width times height at most {self.max_pixels:,}"
            )
