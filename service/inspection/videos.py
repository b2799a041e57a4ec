"""Is this a video that can drive an animation?"""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from media.kinds import HEAD_BYTES, demuxer
from service.contract.errors import ErrorCode
from service.contract.limits import InputLimits
from service.errors import RejectedError
from service.inspection.stills import is_still

# Demuxers that read the one file and nothing else, and the suffixes under which it is kept.
FORMATS = {
    "mov": ".mp4",
    "matroska": ".mkv",
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


def inspect_video(source: BinaryIO, limits: InputLimits) -> Video:
    """Check a video's declared size and length, and decode one frame as a proof.

    For a child process. The demuxer is the one that the file's first bytes name, and what the file
    may name itself (another file, an address) is never opened.

    Returns:
        Its format, `.mp4` for QuickTime and MPEG-4, and its length.

    Raises:
        RejectedError: not a video, a still image, without a picture or a frame, damaged, or over a
            limit.
    """
    head = source.read(HEAD_BYTES)
    if not head:
        raise _invalid("the file is empty")
    if is_still(head):
        raise _still()
    kind = demuxer(head)
    if kind is None:
        raise _invalid(f"not a video of a known kind ({', '.join(FORMATS)})")
    source.seek(0)
    options = {"protocol_whitelist": "none", "max_pixels": str(limits.max_frame_pixels)}
    try:
        with av.open(
            source, "r", format=kind, options=options, metadata_errors="replace"
        ) as container:
            stream = _picture_stream(container)
            # More would each hold frames: what a look takes would grow with the processors.
            stream.codec_context.thread_count = 1
            _check_size(stream, limits)
            frames = _check_length(container, stream, limits)
            if frames == 1 and kind in ("gif", "apng"):
                raise _still()
            _check_extent(stream, frames, limits)
            container.seek(0)
            if next(container.decode(stream), None) is None:
                raise _invalid("no frame can be decoded")
            return Video(FORMATS[kind], frames, _seconds(container, stream, frames))
    except MemoryError:
        raise
    except (FFmpegError, EOFError, OSError) as error:
        detail = getattr(error, "strerror", None) or type(error).__name__
        raise _invalid(f"not a video, or damaged ({detail})") from error


def _picture_stream(container: InputContainer) -> VideoStream:
    if not container.streams.video:
        raise _invalid("the file holds no picture")
    stream = container.streams.video[0]
    if not _has_decoder(stream):
        raise _invalid("its pictures are of a codec that is not known")
    return stream


def _has_decoder(stream: VideoStream) -> bool:
    # PyAV types it as always there; without a decoder it is None, and nothing else can be asked.
    context: object = stream.codec_context
    return context is not None


def _check_size(stream: VideoStream, limits: InputLimits) -> None:
    width, height = stream.width, stream.height
    if min(width, height) < limits.min_side:
        raise RejectedError(
            ErrorCode.VIDEO_TOO_SMALL,
            f"driving: {width}x{height} pixels; each side needs at least {limits.min_side}",
        )
    if width * height > limits.max_frame_pixels:
        raise RejectedError(
            ErrorCode.VIDEO_TOO_LARGE,
            f"driving: {width}x{height} = {width * height:,} pixels; "
            f"at most {limits.max_frame_pixels:,} are taken",
        )


def _check_extent(stream: VideoStream, frames: int, limits: InputLimits) -> None:
    """Refuse what would take too long to decode, before it is decoded."""
    pixels = stream.width * stream.height * frames
    if pixels > limits.max_driving_pixels:
        raise RejectedError(
            ErrorCode.VIDEO_TOO_LARGE,
            f"driving: {frames:,} frames of {stream.width}x{stream.height} are {pixels:,} pixels; "
            f"at most {limits.max_driving_pixels:,} are taken",
        )


def _check_length(container: InputContainer, stream: VideoStream, limits: InputLimits) -> int:
    """The number of frames. Raises RejectedError when it is none or too many."""
    duration_s = (container.duration or 0) / av.time_base
    if duration_s > limits.max_duration_s:
        raise RejectedError(
            ErrorCode.VIDEO_TOO_LONG,
            f"driving: {duration_s:.1f} s; at most {limits.max_duration_s:g} s are taken",
        )
    frames = stream.frames or _count_frames(container, stream, limits.max_frames)
    if frames == 0:
        raise _invalid("the video holds no frame")
    if frames > limits.max_frames:
        counted = f"{frames:,}" if stream.frames else f"over {limits.max_frames:,}"
        raise RejectedError(
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


def _still() -> RejectedError:
    return _invalid("a still image cannot drive; send a video or a pose file")


def _invalid(detail: str) -> RejectedError:
    return RejectedError(ErrorCode.INVALID_VIDEO, f"driving: {detail}")
