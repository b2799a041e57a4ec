"""Check that a video can drive an animation, from its header and one frame; needs no numpy."""

from __future__ import annotations

from typing import NamedTuple

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from media.animated_image import find_animation
from media.container import NOT_A_VIDEO, decode_frames, frame_packets, map_ffmpeg_errors, open_video
from media.errors import MediaError, Problem
from media.files import MediaFile
from media.image_file import IMAGE_SUFFIXES, map_decoding_errors, open_image
from media.kinds import VIDEO_SUFFIXES, is_still, read_head
from media.limits import DEFAULT_FPS, MediaLimits
from media.timing import StoredTimes, Timing, find_timing


class VideoSummary(NamedTuple):
    """Properties that a video's header declares.

    Attributes:
        suffix: file suffix of the format; `.mp4` for QuickTime and MPEG-4.
        frames: number of frames; of an animated image, as it is read.
        seconds: duration, at least that of the frames at their rate.
    """

    suffix: str
    frames: int
    seconds: float


def check_video(file: MediaFile, limits: MediaLimits) -> VideoSummary:
    """Check a video's declared size and length, and decode its first frame.

    Raises:
        MediaError: not a video of a known kind, a still image, without a video stream or frames,
            damaged, or over a limit.
    """
    limits.check_file(file)
    with file.open() as reader:
        if is_still(read_head(reader)):
            raise _still(file.name)
    animation, timing = find_animation(file, limits), None
    if animation is not None:
        timing = find_timing(StoredTimes.of_durations(animation.durations_s))
        limits.check_frames(file.name, timing.num_frames)
        if animation.is_read_by_pillow:
            return _check_by_pillow(file, timing, limits)
    # A single thread: others would each hold frames, so that memory would grow with the processors.
    with (
        map_ffmpeg_errors(file.name, NOT_A_VIDEO),
        open_video(file, limits, known_kinds_only=True, max_threads=1) as (container, stream),
    ):
        declared_s = (container.duration or 0) / av.time_base
        limits.check_duration(file.name, declared_s)
        frames = _frame_count(file.name, container, stream, limits)
        if frames == 1 and container.format.name in ("gif", "apng"):
            raise _still(file.name)
        if timing is not None:
            frames, declared_s = timing.num_frames, timing.duration_s
        limits.check_extent(file.name, frames, stream.height, stream.width)
        container.seek(0)
        if next(decode_frames(file.name, container, stream), None) is None:
            raise MediaError(f"{file.name}: no frame of the video can be decoded")
        seconds = declared_s
        if timing is None:
            seconds = max(declared_s, frames / float(stream.average_rate or DEFAULT_FPS))
        kind = container.format.name.split(",")[0]
        return VideoSummary(VIDEO_SUFFIXES[kind], frames, seconds)


def _check_by_pillow(file: MediaFile, timing: Timing, limits: MediaLimits) -> VideoSummary:
    with open_image(file, limits) as image, map_decoding_errors(file.name):
        limits.check_extent(file.name, timing.num_frames, image.height, image.width)
        image.load()
        suffix = IMAGE_SUFFIXES[image.format or ""]
    return VideoSummary(suffix, timing.num_frames, timing.duration_s)


def _frame_count(
    name: str, container: InputContainer, stream: VideoStream, limits: MediaLimits
) -> int:
    """Return the number of frames: the declared one, else counted without decoding."""
    frames = stream.frames
    if not frames:
        for frames, _ in enumerate(frame_packets(container, stream), 1):
            if frames > limits.max_frames:
                raise MediaError(
                    f"{name}: the video has more than {limits.max_frames:,} frames",
                    Problem.TOO_LONG,
                )
    if not frames:
        raise MediaError(f"{name}: the video has no frames")
    limits.check_frames(name, frames)
    return frames


def _still(name: str) -> MediaError:
    return MediaError(f"{name}: a still image cannot drive; send a video or a pose file")
