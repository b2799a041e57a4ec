"""Read a video as upright RGB frames at a constant rate, one frame in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import TypeVar

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from media.animated_image import Animation, find_animation, read_frames
from media.container import decode_frames, open_video
from media.deinterlace import deinterlace
from media.errors import MediaError, ParameterError
from media.files import Source, media_file
from media.frame_times import frame_times
from media.image import composite_over_white, is_still_image, read_image
from media.limits import DEFAULT_FPS, MediaLimits
from media.pixels import (
    display_matrix,
    make_upright,
    square_pixel_size,
    to_rgb,
    turns_sideways,
)
from media.timing import StoredTimes, Timing, find_timing
from media.tone_map import hdr_name

_Frame = TypeVar("_Frame")


@dataclass(frozen=True)
class VideoInfo:
    """Properties of a video as it is read.

    Attributes:
        width: width in pixels, after rotation and with square pixels.
        height: height in pixels, after rotation.
        fps: the constant rate at which the frames are read.
        num_frames_estimate: frames at that rate; exact unless the file hides frames.
        duration_s: duration of the video.
        has_audio: whether it has an audio stream.
    """

    width: int
    height: int
    fps: Fraction
    num_frames_estimate: int
    duration_s: float
    has_audio: bool


def read_video(
    source: Source, *, limits: MediaLimits | None = None, fps: Fraction | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of a video, (height, width, 3) uint8 RGB; see `VideoReader`."""
    return iter(VideoReader(source, limits, fps=fps))


class VideoReader:
    """The frames of a video at a constant rate; each iteration starts at the first one.

    Rotation, mirroring and pixel aspect are applied; transparent parts become white. A video of
    variable rate is resampled to its most common rate; one of constant rate yields exactly its
    stored frames. A still image is one frame. Interlaced frames are deinterlaced, and HDR becomes
    SDR.

    Args:
        source: any video that FFmpeg reads from a single file, or an image.
        limits: checked before frames are decoded.
        fps: a rate to use instead of the video's own.

    Raises:
        MediaError: no such file, empty, not a video, without frames, damaged, or over a limit.

    Attributes:
        warnings: sentences for the user on how the file is read.
    """

    def __init__(
        self, source: Source, limits: MediaLimits | None = None, *, fps: Fraction | None = None
    ) -> None:
        if fps is not None and fps <= 0:
            raise ParameterError(f"fps is {fps}; it must be above 0")
        self._file = media_file(source)
        self._limits = limits or MediaLimits()
        self.warnings: list[str] = []
        self._is_still = is_still_image(self._file, self._limits)
        animation = None if self._is_still else find_animation(self._file, self._limits)
        self._animation = animation or Animation([])
        self._is_image = self._is_still or self._animation.is_read_by_pillow
        self._stored_size = (0, 0)
        self._timing = _STILL if self._is_still else self._find_timing(fps)
        self.info = self._image_info() if self._is_image else self._video_info()

    @property
    def fps(self) -> Fraction:
        """The constant rate."""
        return self._timing.fps

    @property
    def expected(self) -> int:
        """The number of frames that the file declares."""
        return self.info.num_frames_estimate

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of every frame."""
        return self.info.height, self.info.width

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        if self._is_still:
            yield read_image(self._file, self._limits)
        elif self._is_image:
            yield from self._image_frames()
        else:
            yield from self._video_frames()

    def _image_frames(self) -> Iterator[NDArray[np.uint8]]:
        starts_s = accumulate(self._animation.durations_s, initial=0.0)
        images = read_frames(self._file, self._limits)
        frames = (composite_over_white(np.asarray(image)) for image in images)
        for pixels, repeats in self._repeated(zip(starts_s, frames, strict=False)):
            for _ in range(repeats):
                yield pixels.copy()

    def _video_frames(self) -> Iterator[NDArray[np.uint8]]:
        reformatter = VideoReformatter()
        with open_video(self._file, self._limits) as (container, stream):
            decoded = decode_frames(self._file.name, container, stream)
            frames = deinterlace(self._file.name, decoded)
            for frame, repeats in self._repeated(self._timed(frames)):
                rgb = to_rgb(frame, self._stored_size, reformatter, self._animation.profile)
                pixels = make_upright(rgb, display_matrix(frame, stream))
                yield pixels
                for _ in range(repeats - 1):
                    yield pixels.copy()

    def _timed(self, frames: Iterator[VideoFrame]) -> Iterator[tuple[float, VideoFrame]]:
        """Yield frames with their display times, in the file's time."""
        if durations_s := self._animation.durations_s:
            return zip(accumulate(durations_s, initial=0.0), frames, strict=False)
        return ((_display_time_s(f, i, self._timing), f) for i, f in enumerate(frames))

    def _repeated(self, frames: Iterator[tuple[float, _Frame]]) -> Iterator[tuple[_Frame, int]]:
        """Yield each displayed frame with the number of times it is repeated."""
        if self._timing.as_stored:
            return ((frame, 1) for _, frame in frames)
        return _repeat(frames, self._timing)

    def _find_timing(self, fps: Fraction | None) -> Timing:
        if durations_s := self._animation.durations_s:
            timing = find_timing(StoredTimes.of_durations(durations_s), fps)
        else:
            with open_video(self._file, self._limits) as (container, stream):
                times = frame_times(self._file.name, container, stream, self._limits)
                timing = find_timing(times, fps)
        self._limits.check_duration(self._file.name, timing.duration_s)
        self._limits.check_frames(self._file.name, timing.num_frames)
        return timing

    def _video_info(self) -> VideoInfo:
        """Decode the first frame, for the rotation and to prove that the codec works."""
        with open_video(self._file, self._limits) as (container, stream):
            frame = next(decode_frames(self._file.name, container, stream), None)
            if frame is None:
                raise MediaError(f"{self._file.name}: no frame of the video can be decoded")
            self._warn_of_conversions(frame)
            aspect = stream.sample_aspect_ratio
            self._stored_size = square_pixel_size(frame, float(aspect) if aspect else None)
            height, width = self._stored_size
            if turns_sideways(display_matrix(frame, stream)):
                height, width = width, height
            self._limits.check_size(self._file.name, height, width)
            return self._info(height, width, bool(container.streams.audio))

    def _image_info(self) -> VideoInfo:
        height, width = read_image(self._file, self._limits, self.warnings.append).shape[:2]
        return self._info(height, width, audio=False)

    def _info(self, height: int, width: int, audio: bool) -> VideoInfo:
        timing = self._timing
        self._limits.check_extent(self._file.name, timing.num_frames, height, width)
        return VideoInfo(width, height, timing.fps, timing.num_frames, timing.duration_s, audio)

    def _warn_of_conversions(self, first: VideoFrame) -> None:
        hdr, name = hdr_name(first), self._file.name
        if hdr is not None:
            self.warnings.append(
                f"{name}: the video is HDR ({hdr}); its colours and brightness were reduced to SDR"
            )
        if first.interlaced_frame:
            self.warnings.append(f"{name}: the video is interlaced; it was deinterlaced")


_STILL = Timing(DEFAULT_FPS, 1, 0.0, float(1 / DEFAULT_FPS), as_stored=True, stored_fps=DEFAULT_FPS)


def _repeat(frames: Iterator[tuple[float, _Frame]], timing: Timing) -> Iterator[tuple[_Frame, int]]:
    """Yield each frame that is displayed, with the number of times it is repeated.

    Args:
        frames: each with its display time in seconds, in the file's time.
    """
    pending: _Frame | None = None
    done = 0
    for time_s, frame in frames:
        slot = min(timing.slot(time_s), timing.num_frames)
        if pending is not None and slot > done:
            yield pending, slot - done
            done = slot
        pending = frame
    if pending is not None and timing.num_frames > done:
        yield pending, timing.num_frames - done


def _display_time_s(frame: VideoFrame, index: int, timing: Timing) -> float:
    if frame.pts is None:
        return timing.start_s + index / float(timing.stored_fps)
    return frame.time
