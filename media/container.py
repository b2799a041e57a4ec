"""Open a video file safely, and turn FFmpeg's errors into one clear MediaError."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import BinaryIO

import av
from av.codec.context import CodecContext
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from media.errors import MediaError
from media.files import MediaFile
from media.kinds import HEAD_BYTES, demuxer
from media.limits import MediaLimits
from media.timing import StoredTimes

DAMAGED = "the video is damaged and cannot be decoded"

# Demuxers that FFmpeg may choose for a file whose first bytes name none: streams without a
# container, and rare kinds. None of them reads anything but the one file.
OTHER_FORMATS = (
    "av1,dv,h264,hevc,ivf,jpeg_pipe,m4v,mjpeg,mpegvideo,mxf,nut,obu,png_pipe,rm,vc1,webp_pipe,wtv,"
    "yuv4mpegpipe"
)
# What a file names itself (another file, an address) is never opened.
NO_PROTOCOLS = {"protocol_whitelist": "none"}
# Each holds a frame or more; on a machine of many cores FFmpeg would take dozens.
MOST_THREADS = 4


@contextmanager
def opened_video(
    file: MediaFile, limits: MediaLimits
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and its first real video stream; the declared size is checked.

    Raises:
        MediaError: no such file, empty, not a video, without a picture, or over a limit; also
            when FFmpeg fails inside the block.
    """
    limits.check_file(file)
    options = {"max_pixels": str(limits.max_pixels)}
    with file.open() as reader, open_container(file.name, reader, options) as container:
        stream = _picture_stream(file.name, container)
        stream.codec_context.options = options
        stream.codec_context.thread_count = min(MOST_THREADS, os.cpu_count() or 1)
        limits.check_size(file.name, stream.height, stream.width)
        yield container, stream


@contextmanager
def ffmpeg_errors(name: str, meaning: str) -> Iterator[None]:
    """Raise MediaError in the place of any error of FFmpeg but of too little memory.

    Args:
        name: of the file.
    """
    try:
        yield
    except MemoryError:
        raise
    except (FFmpegError, EOFError, OSError) as error:
        detail = getattr(error, "strerror", None) or type(error).__name__
        raise MediaError(f"{name}: {meaning} ({detail})") from error


def has_audio(container: InputContainer) -> bool:
    """Return whether the file holds sound."""
    return len(container.streams.audio) > 0


def frame_times(
    name: str, container: InputContainer, stream: VideoStream, limits: MediaLimits
) -> StoredTimes:
    """Read through the file without decoding, and tell when its frames are shown.

    Raises:
        MediaError: the file ends early, holds no frame, or more than the limit.
    """
    times: list[float | None] = []
    stored, latest, last_duration_s = 0, float("-inf"), None
    per_tick = float(stream.time_base or 1)
    with ffmpeg_errors(name, DAMAGED):
        for stored, packet in enumerate(_picture_packets(container, stream), 1):
            _check_count(name, stored, limits)
            if packet.is_discard:  # cut away by an edit list; others are decoded from it
                continue
            time_s = None if packet.pts is None else packet.pts * per_tick
            times.append(time_s)
            if time_s is not None and time_s > latest:
                latest, last_duration_s = time_s, (packet.duration or 0) * per_tick or None
    _check_complete(name, stored, container, stream)
    if not times:
        raise MediaError(f"{name}: the video shows no frames; its edit list hides all {stored:,}")
    return StoredTimes(times, last_duration_s, (stream.average_rate, stream.guessed_rate))


def decoded_frames(
    name: str, container: InputContainer, stream: VideoStream
) -> Iterator[VideoFrame]:
    """Yield the frames in the order in which they are shown, timed by the stream's time base.

    Raises:
        MediaError: a frame cannot be decoded.
    """
    decoder = _decoder(stream)
    with ffmpeg_errors(name, DAMAGED):
        for packet in chain(_picture_packets(container, stream), [None]):
            for frame in decoder.decode(packet):
                frame.time_base = stream.time_base  # a decoder that is being emptied forgets it
                yield frame


def _picture_packets(
    container: InputContainer, stream: VideoStream
) -> Iterator[Packet[VideoStream]]:
    return (packet for packet in container.demux(stream) if packet.size > 0)


def _decoder(stream: VideoStream) -> VideoCodecContext:
    """Return the stream's decoder; FFmpeg's own VP8 and VP9 decoders would drop the alpha."""
    library = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(stream.codec_context.name)
    if library is None or stream.metadata.get("alpha_mode") != "1":
        stream.codec_context.thread_type = "AUTO"
        return stream.codec_context
    decoder = CodecContext.create(library, "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.options = dict(stream.codec_context.options)
    return decoder


def _check_count(name: str, count: int, limits: MediaLimits) -> None:
    # The rate is not known yet; what is read may be fewer frames than are stored, not far fewer.
    if count > 4 * limits.max_frames:
        raise MediaError(
            f"{name}: the video has more than {4 * limits.max_frames:,} frames;"
            f" at most {limits.max_frames:,} are allowed"
        )


def _check_complete(name: str, stored: int, container: InputContainer, stream: VideoStream) -> None:
    """Compare with the index, which counts the frames that an edit list hides as well."""
    if stored == 0:
        raise MediaError(f"{name}: the video holds no frames")
    indexed = len(stream.index_entries) if "mov" in container.format.name else 0
    if stored < indexed:
        raise MediaError(f"{name}: the file ends early; it holds {stored:,} of {indexed:,} frames")


@contextmanager
def open_container(
    name: str,
    reader: BinaryIO,
    options: dict[str, str] | None = None,
    meaning: str = "not a video, or its beginning or index is damaged",
) -> Iterator[InputContainer]:
    """Open a file with the demuxer that its first bytes name, and no way to any other file.

    Args:
        name: of the file.
        reader: stands at the beginning.
        options: of FFmpeg.
        meaning: what to say when it cannot be opened.

    Raises:
        MediaError: it cannot be opened.
    """
    kind = demuxer(reader.read(HEAD_BYTES))
    reader.seek(0)
    chosen = NO_PROTOCOLS | (options or {})
    if kind is None:
        chosen["format_whitelist"] = OTHER_FORMATS
    with ffmpeg_errors(name, meaning):
        try:
            container = av.open(reader, "r", format=kind, options=chosen, metadata_errors="replace")
        except EOFError as error:
            raise MediaError(f"{name}: the video holds no frames") from error
    with container:
        yield container


def _picture_stream(name: str, container: InputContainer) -> VideoStream:
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if streams:
        context: object = streams[0].codec_context  # None, whatever PyAV's types say, without one
        if context is None:
            raise MediaError(f"{name}: the video is of a codec that is not known")
        return streams[0]
    if has_audio(container):
        raise MediaError(f"{name}: the file holds sound but no video")
    raise MediaError(f"{name}: the file holds no video")
