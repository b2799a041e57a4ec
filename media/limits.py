"""How large a file the reader accepts; every limit is checked before the pixels are decoded."""

from __future__ import annotations

from dataclasses import dataclass, fields

from media.errors import MediaError, ParameterError
from media.files import MediaFile


@dataclass(frozen=True)
class MediaLimits:
    """The largest and smallest picture or video that is read.

    Attributes:
        max_bytes: size of the file.
        max_pixels: width times height of one picture, as the file declares it.
        max_frames: frames of a video at the constant rate at which it is read.
        max_duration_s: length of a video in seconds.
        max_video_pixels: width times height times frames of a video.
        min_side: smallest width and height in pixels.
        max_aspect: longer over shorter side of the picture that is animated, whose shorter side
            is brought to the model's resolution: work and memory grow with the longer one.

    Raises:
        ParameterError: a limit is not positive.
    """

    max_bytes: int = 512 * 1024 * 1024
    max_pixels: int = 50_000_000
    max_frames: int = 9_000
    max_duration_s: float = 300.0
    max_video_pixels: int = 12_000_000_000
    min_side: int = 16
    max_aspect: float = 4.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise ParameterError(f"{field.name} is {value}; it must be above 0")

    def check_file(self, file: MediaFile) -> None:
        """Raise MediaError when there is no such file, or it is empty or too large."""
        size = file.size_bytes()
        if size is None:
            raise MediaError(f"{file.name}: there is no such file")
        if size == 0:
            raise MediaError(f"{file.name}: the file is empty (0 bytes)")
        if size > self.max_bytes:
            raise MediaError(
                f"{file.name}: the file has {size:,} bytes; at most {self.max_bytes:,} are allowed"
            )

    def check_size(self, name: str, height: int, width: int) -> None:
        """Raise MediaError when a picture of this size is too small or too large."""
        if min(height, width) < self.min_side:
            raise MediaError(
                f"{name}: the picture is {width}x{height} pixels;"
                f" each side must have at least {self.min_side}"
            )
        if height * width > self.max_pixels:
            raise MediaError(
                f"{name}: the picture is {width}x{height} = {height * width:,} pixels;"
                f" at most {self.max_pixels:,} are allowed"
            )

    def check_aspect(self, name: str, height: int, width: int) -> None:
        """Raise MediaError when a picture is too narrow to be animated."""
        if max(height, width) > self.max_aspect * min(height, width):
            raise MediaError(
                f"{name}: the picture is {width}x{height} pixels; the longer side may have at"
                f" most {self.max_aspect:g} times as many as the shorter"
            )

    def check_extent(self, name: str, num_frames: int, height: int, width: int) -> None:
        """Raise MediaError when the frames of a video are too many pixels altogether."""
        pixels = num_frames * height * width
        if pixels > self.max_video_pixels:
            raise MediaError(
                f"{name}: {num_frames:,} frames of {width}x{height} are {pixels:,} pixels;"
                f" at most {self.max_video_pixels:,} are allowed"
            )

    def check_length(self, name: str, num_frames: int, duration_s: float) -> None:
        """Raise MediaError when a video has too many frames or lasts too long."""
        if duration_s > self.max_duration_s:
            raise MediaError(
                f"{name}: the video lasts {duration_s:.1f} s;"
                f" at most {self.max_duration_s:.1f} s are allowed"
            )
        if num_frames > self.max_frames:
            raise MediaError(
                f"{name}: the video has {num_frames:,} frames;"
                f" at most {self.max_frames:,} are allowed"
            )
