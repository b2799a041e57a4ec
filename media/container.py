"""Open videos safely, and replace FFmpeg's errors by MediaError; numpy is not needed."""

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
from media.kinds import VIDEO_SUFFIXES, demuxer, read_head
from media.limits import MediaLimits

DAMAGED = "the video is damaged and cannot be decoded"
NOT_A_VIDEO = "not a video, or its beginning or index is damaged"

# Demuxers that FFmpeg may choose when the first bytes of a file name none: streams without a
# container, and rare kinds. Each reads this one file only.
OTHER_FORMATS = (
    "av1,dv,h264,hevc,ivf,jpeg_pipe,m4v,mjpeg,mpegvideo,mxf,nut,obu,png_pipe,rm,vc1,webp_pipe,wtv,"
    "yuv4mpegpipe"
)
# Other files and addresses that a file names are never opened.
NO_PROTOCOLS = {"protocol_whitelist": "none"}
# Codecs of cover art that is not marked as such, if there is a video in another one.
PICTURE_CODECS = frozenset({"mjpeg", "png", "bmp", "gif", "tiff", "webp"})
# Each thread holds a frame or more; FFmpeg would start one per processor core.
MAX_THREADS = 4


@contextmanager
def open_video(
    file: MediaFile,
    limits: MediaLimits,
    *,
    known_kinds_only: bool = False,
    max_threads: int = MAX_THREADS,
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and its video stream, which cover art is not; check the declared size.

    Args:
        limits: checked before any pixels are decoded.
        known_kinds_only: reject kinds that `kinds.demuxer` does not know; otherwise FFmpeg may
            choose one of `OTHER_FORMATS`.
        max_threads: maximum number of decoder threads.

    Raises:
        MediaError: no such file, empty, not a video, without a video stream, or over a limit.
    """
    limits.check_file(file)
    options = {"max_pixels": str(limits.max_pixels)}
    with (
        file.open() as reader,
        open_container(file.name, reader, options, known_kinds_only) as container,
    ):
        stream = _picture_stream(file.name, container)
        stream.codec_context.options = options
        stream.codec_context.thread_count = min(max_threads, os.cpu_count() or 1)
        limits.check_size(file.name, stream.height, stream.width)
        yield container, stream


@contextmanager
def open_container(
    name: str,
    reader: BinaryIO,
    options: dict[str, str] | None = None,
    known_kinds_only: bool = False,
    meaning: str = NOT_A_VIDEO,
) -> Iterator[InputContainer]:
    """Open a file with the demuxer for its first bytes, without access to any other file.

    Args:
        name: file name for messages.
        reader: positioned at the beginning.
        options: FFmpeg options.
        known_kinds_only: see `open_video`.
        meaning: message when the file cannot be opened.

    Raises:
        MediaError: it cannot be opened.
    """
    kind = demuxer(read_head(reader))
    chosen = NO_PROTOCOLS | (options or {})
    if kind is None:
        if known_kinds_only:
            kinds = ", ".join((*VIDEO_SUFFIXES.values(), ".webp", ".avif"))
            raise MediaError(f"{name}: not a video of a known kind ({kinds})")
        chosen["format_whitelist"] = OTHER_FORMATS
    with map_ffmpeg_errors(name, meaning):
        try:
            container = av.open(reader, "r", format=kind, options=chosen, metadata_errors="replace")
        except EOFError as error:
            raise MediaError(f"{name}: the video has no frames") from error
    with container:
        yield container


@contextmanager
def map_ffmpeg_errors(name: str, meaning: str) -> Iterator[None]:
    """Raise MediaError in place of FFmpeg's errors; MemoryError stays.

    Args:
        name: file name for the message.
        meaning: the message; FFmpeg's own is appended.
    """
    try:
        yield
    except MemoryError:
        raise
    except (FFmpegError, EOFError, OSError) as error:
        detail = getattr(error, "strerror", None) or type(error).__name__
        raise MediaError(f"{name}: {meaning} ({detail})") from error


def frame_packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """Yield the packets of a stream that hold a frame, one each."""
    return (packet for packet in container.demux(stream) if packet.size > 0)


def decode_frames(
    name: str, container: InputContainer, stream: VideoStream
) -> Iterator[VideoFrame]:
    """Yield the frames in display order, timed by the stream's time base.

    Raises:
        MediaError: a frame cannot be decoded.
    """
    decoder = _decoder(stream)
    with map_ffmpeg_errors(name, DAMAGED):
        for packet in chain(frame_packets(container, stream), [None]):
            for frame in decoder.decode(packet):
                frame.time_base = stream.time_base  # lost at the decoder's end
                yield frame


def _decoder(stream: VideoStream) -> VideoCodecContext:
    """Return the stream's decoder; FFmpeg's own VP8 and VP9 decoders ignore transparency."""
    library = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(stream.codec_context.name)
    if library is None or stream.metadata.get("alpha_mode") != "1":
        stream.codec_context.thread_type = "AUTO"
        return stream.codec_context
    decoder = CodecContext.create(library, "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.options = dict(stream.codec_context.options)
    return decoder


def _picture_stream(name: str, container: InputContainer) -> VideoStream:
    stream = main_video_stream(container)
    if stream is not None:
        if _codec_name(stream) is None:
            raise MediaError(f"{name}: the codec of the video is not supported")
        return stream
    if container.streams.audio:
        raise MediaError(f"{name}: the file has audio but no video")
    raise MediaError(f"{name}: the file has no video")


def main_video_stream(container: InputContainer) -> VideoStream | None:
    """Return the video stream that is not cover art, the first if there are several."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    return min(streams, key=_unlikeliness, default=None)


def _unlikeliness(stream: VideoStream) -> tuple[bool, bool, bool]:
    """Return the reasons why this is not the video: it cannot be decoded, or is a still image."""
    codec = _codec_name(stream)
    return codec is None, stream.frames == 1, codec in PICTURE_CODECS


def _codec_name(stream: VideoStream) -> str | None:
    context: object = stream.codec_context  # may be None, contrary to PyAV's types
    return None if context is None else stream.codec_context.name
