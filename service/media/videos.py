"""Is this a video that can drive an animation?"""

from __future__ import annotations

import io
from typing import NamedTuple

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from service.contract.errors import ErrorCode
from service.contract.limits import InputLimits
from service.errors import Rejected
from service.media.stills import is_still
from service.stores.objects import Content, size_of

# Demuxers that read the one file and nothing else, and the suffixes under which it is kept.
# Playlists would open whatever path or address the file names; "tty" takes any text for a picture.
FORMATS = {
    "mov": ".mp4",
    "mp4": ".mp4",
    "matroska": ".mkv",
    "webm": ".webm",
    "avi": ".avi",
    "mpeg": ".mpg",
    "mpegts": ".ts",
    "flv": ".flv",
    "ogg": ".ogv",
    "asf": ".wmv",
    "gif": ".gif",
    "apng": ".png",
}

# Of a file that does not tell its own.
DEFAULT_FPS = 25


class Video(NamedTuple):
    """What a video was found to be: a suffix such as `.mp4`, its frames, and how long they last."""

    suffix: str
    frames: int
    seconds: float


def inspect_video(content: Content, limits: InputLimits) -> Video:
    """Check a video's declared size and length, and decode one frame as a proof.

    Returns:
        Its format, `.mp4` for QuickTime and MPEG-4, and its length.

    Raises:
        Rejected: not a video, a still image, without a picture or a frame, damaged, or over a
            limit.
    """
    if size_of(content) == 0:
        raise _invalid("the file is empty")
    if is_still(content):
        raise _still()
    options = {
        "format_whitelist": ",".join(FORMATS),
        "protocol_whitelist": "file",
        "max_pixels": str(limits.max_frame_pixels),
    }
    try:
        source = io.BytesIO(content) if isinstance(content, bytes) else str(content)
        with av.open(source, "r", options=options, metadata_errors="replace") as container:
            stream = _picture_stream(container)
            _check_size(stream, limits)
            frames = _check_length(container, stream, limits)
            if frames == 1 and container.format.name in ("gif", "apng"):
                raise _still()
            container.seek(0)
            if next(container.decode(stream), None) is None:
                raise _invalid("no frame can be decoded")
            suffix = FORMATS.get(container.format.name.split(",")[0], "")
            return Video(suffix, frames, _seconds(container, stream, frames))
    except (FFmpegError, EOFError, OSError) as error:
        detail = getattr(error, "strerror", None) or type(error).__name__
        raise _invalid(f"not a video, or damaged ({detail})") from error


def _picture_stream(container: InputContainer) -> VideoStream:
    if container.streams.video:
        return container.streams.video[0]
    raise _invalid("the file holds no picture")


def _check_size(stream: VideoStream, limits: InputLimits) -> None:
    width, height = stream.width, stream.height
    if min(width, height) < limits.min_side:
        raise Rejected(
            ErrorCode.VIDEO_TOO_SMALL,
            f"driving: {width}x{height} pixels; each side needs at least {limits.min_side}",
        )
    if width * height > limits.max_frame_pixels:
        raise Rejected(
            ErrorCode.VIDEO_TOO_LARGE,
            f"driving: {width}x{height} = {width * height:,} pixels; "
            f"at most {limits.max_frame_pixels:,} are taken",
        )


def _check_length(container: InputContainer, stream: VideoStream, limits: InputLimits) -> int:
    """The number of frames. Raises Rejected when it is none or too many."""
    duration_s = (container.duration or 0) / av.time_base
    if duration_s > limits.max_duration_s:
        raise Rejected(
            ErrorCode.VIDEO_TOO_LONG,
            f"driving: {duration_s:.1f} s; at most {limits.max_duration_s:g} s are taken",
        )
    frames = stream.frames or _count_frames(container, stream, limits.max_frames)
    if frames == 0:
        raise _invalid("the video holds no frame")
    if frames > limits.max_frames:
        counted = f"{frames:,}" if stream.frames else f"over {limits.max_frames:,}"
        raise Rejected(
            ErrorCode.VIDEO_TOO_LONG,
            f"driving: {counted} frames; at most {limits.max_frames:,} are taken",
        )
    return frames


def _seconds(container: InputContainer, stream: VideoStream, frames: int) -> float:
    """As declared, and no less than the frames take at their rate."""
    declared_s = (container.duration or 0) / av.time_base
    return max(declared_s, frames / float(stream.average_rate or DEFAULT_FPS))


def _count_frames(container: InputContainer, stream: VideoStream, most: int) -> int:
    """Read packets without decoding, no further than one past `most`."""
    frames = 0
    for packet in container.demux(stream):
        frames += packet.size > 0
        if frames > most:
            break
    return frames


def _still() -> Rejected:
    return _invalid("a still image cannot drive; send a video or a pose file")


def _invalid(detail: str) -> Rejected:
    return Rejected(ErrorCode.INVALID_VIDEO, f"driving: {detail}")
