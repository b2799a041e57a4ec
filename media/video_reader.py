"""Read a video as upright RGB frames at a constant rate, one frame in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from media.container import decoded_frames, has_audio, opened_video
from media.errors import MediaError, ParameterError
from media.files import Source, media_file
from media.frame_times import frame_times
from media.image import is_still_image, read_image
from media.limits import DEFAULT_FPS, MediaLimits
from media.pixels import (
    display_matrix,
    square_pixel_size,
    to_rgb,
    turns_sideways,
    upright,
)
from media.timing import Timing, find_timing


@dataclass(frozen=True)
class VideoInfo:
    """What a video is, as it will be read.

    Attributes:
        width: in pixels, upright and with square pixels.
        height: likewise.
        fps: the constant rate at which the frames are read.
        num_frames_estimate: frames at that rate; exact unless frames in the file are hidden.
        duration_s: in seconds.
        has_audio: whether it holds sound.
    """

    width: int
    height: int
    fps: Fraction
    num_frames_estimate: int
    duration_s: float
    has_audio: bool


def probe_video(source: Source, limits: MediaLimits | None = None) -> VideoInfo:
    """Tell size, rate and length of a video or still image; one frame is decoded as a proof.

    Raises:
        MediaError: see `VideoReader`.
    """
    return VideoReader(source, limits).info


def read_video(
    source: Source, *, limits: MediaLimits | None = None, fps: Fraction | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of a video, (height, width, 3) uint8 RGB; see `VideoReader`."""
    return iter(VideoReader(source, limits, fps=fps))


class VideoReader:
    """The frames of a video at a constant rate; each iteration begins at the first one.

    Rotation, mirroring and pixel aspect are applied, transparent parts lie over white. A file of
    variable rate is resampled to the rate that most of its frames keep; one of constant rate
    gives exactly its stored frames. A still image is one frame.

    Args:
        source: any video that FFmpeg reads from a single file, or an image.
        limits: checked before frames are decoded.
        fps: read at this rate in the place of the video's own.

    Raises:
        MediaError: no such file, empty, no video, without a picture, without frames, damaged,
            or over a limit.
    """

    def __init__(
        self, source: Source, limits: MediaLimits | None = None, *, fps: Fraction | None = None
    ) -> None:
        if fps is not None and fps <= 0:
            raise ParameterError(f"fps is {fps}; it must be above 0")
        self._file = media_file(source)
        self._limits = limits or MediaLimits()
        self._still = is_still_image(self._file, self._limits)
        self._stored_size = (0, 0)
        self._timing = _STILL if self._still else self._find_timing(fps)
        self.info = self._look_at_still() if self._still else self._look()

    @property
    def fps(self) -> Fraction:
        """The constant rate."""
        return self._timing.fps

    @property
    def expected(self) -> int:
        """How many frames there will be, as far as the file tells."""
        return self.info.num_frames_estimate

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of every frame."""
        return self.info.height, self.info.width

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        if self._still:
            yield read_image(self._file, self._limits)
            return
        with opened_video(self._file, self._limits) as (container, stream):
            frames = decoded_frames(self._file.name, container, stream)
            shown = _one_by_one(frames) if self._timing.as_stored else _held(frames, self._timing)
            for frame, repeats in shown:
                pixels = self._pixels(frame)
                yield pixels
                for _ in range(repeats - 1):
                    yield pixels.copy()

    def _find_timing(self, fps: Fraction | None) -> Timing:
        with opened_video(self._file, self._limits) as (container, stream):
            timing = find_timing(frame_times(self._file.name, container, stream, self._limits), fps)
        self._limits.check_duration(self._file.name, timing.duration_s)
        self._limits.check_frames(self._file.name, timing.num_frames)
        return timing

    def _look(self) -> VideoInfo:
        """Decode the first frame: only it shows the rotation, and that the codec is known."""
        with opened_video(self._file, self._limits) as (container, stream):
            frame = next(decoded_frames(self._file.name, container, stream), None)
            if frame is None:
                raise MediaError(f"{self._file.name}: no frame of the video can be decoded")
            aspect = stream.sample_aspect_ratio
            self._stored_size = square_pixel_size(frame, float(aspect) if aspect else None)
            height, width = self._stored_size
            if turns_sideways(display_matrix(frame)):
                height, width = width, height
            self._limits.check_size(self._file.name, height, width)
            frames = self._timing.num_frames
            self._limits.check_extent(self._file.name, frames, height, width)
            return self._info(height, width, has_audio(container))

    def _look_at_still(self) -> VideoInfo:
        height, width = read_image(self._file, self._limits).shape[:2]
        return self._info(height, width, sound=False)

    def _info(self, height: int, width: int, sound: bool) -> VideoInfo:
        timing = self._timing
        return VideoInfo(width, height, timing.fps, timing.num_frames, timing.duration_s, sound)

    def _pixels(self, frame: VideoFrame) -> NDArray[np.uint8]:
        return upright(to_rgb(frame, self._stored_size), display_matrix(frame))


_STILL = Timing(DEFAULT_FPS, 1, 0.0, float(1 / DEFAULT_FPS), as_stored=True, stored_fps=DEFAULT_FPS)


def _one_by_one(frames: Iterator[VideoFrame]) -> Iterator[tuple[VideoFrame, int]]:
    return ((frame, 1) for frame in frames)


def _held(frames: Iterator[VideoFrame], timing: Timing) -> Iterator[tuple[VideoFrame, int]]:
    """Yield each stored frame that is shown with the number of frames for which it stays."""
    waiting: VideoFrame | None = None
    done = 0
    for index, frame in enumerate(frames):
        slot = min(timing.slot(_shown_at_s(frame, index, timing)), timing.num_frames)
        if waiting is not None and slot > done:
            yield waiting, slot - done
            done = slot
        waiting = frame
    if waiting is not None and timing.num_frames > done:
        yield waiting, timing.num_frames - done


def _shown_at_s(frame: VideoFrame, index: int, timing: Timing) -> float:
    if frame.pts is None:
        return timing.start_s + index / float(timing.stored_fps)
    return frame.time
