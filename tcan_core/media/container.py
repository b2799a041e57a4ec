"""Open a video file safely, and turn FFmpeg's errors into one clear MediaError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import av
from av.codec.context import CodecContext
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tcan_core.errors import MediaError
from tcan_core.media.limits import MediaLimits
from tcan_core.media.timing import StoredTimes

DAMAGED = "the video is damaged and cannot be decoded"

# Demuxers that read one file and nothing else. Playlists (hls, dash, concat) would open whatever
# path or address the file names, and "tty" takes any text for a picture.
FORMATS = (
    "3gp,apng,asf,av1,avi,dv,flv,gif,h264,hevc,ivf,jpeg_pipe,m4v,matroska,mjpeg,mov,mp4,mpeg,"
    "mpegts,mpegvideo,mxf,nut,obu,ogg,png_pipe,rm,vc1,webm,webp_pipe,wtv,yuv4mpegpipe"
)


@contextmanager
def opened_video(path: Path, limits: MediaLimits) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and its first real video stream; the declared size is checked.

    Raises:
        MediaError: no such file, empty, not a video, without a picture, or over a limit; also
            when FFmpeg fails inside the block.
    """
    limits.check_file(path)
    with _open(path, limits) as container:
        stream = _picture_stream(path.name, container)
        stream.codec_context.options = {"max_pixels": str(limits.max_pixels)}
        limits.check_size(path.name, stream.height, stream.width)
        yield container, stream


@contextmanager
def ffmpeg_errors(path: Path, meaning: str) -> Iterator[None]:
    """Raise MediaError in the place of any error of FFmpeg."""
    try:
        yield
    except (FFmpegError, EOFError, OSError) as error:
        detail = getattr(error, "strerror", None) or type(error).__name__
        raise MediaError(f"{path.name}: {meaning} ({detail})") from error


def has_audio(container: InputContainer) -> bool:
    """Return whether the file holds sound."""
    return len(container.streams.audio) > 0


def frame_times(
    path: Path, container: InputContainer, stream: VideoStream, limits: MediaLimits
) -> StoredTimes:
    """Read through the file without decoding, and tell when its frames are shown.

    Raises:
        MediaError: the file ends early, holds no frame, or more than the limit.
    """
    times: list[float | None] = []
    latest, last_duration_s = float("-inf"), None
    per_tick = float(stream.time_base or 1)
    with ffmpeg_errors(path, DAMAGED):
        for packet in _picture_packets(container, stream):
            if packet.is_discard:
                continue
            time_s = None if packet.pts is None else packet.pts * per_tick
            times.append(time_s)
            if time_s is not None and time_s > latest:
                latest, last_duration_s = time_s, (packet.duration or 0) * per_tick or None
            _check_count(path.name, len(times), limits)
    _check_complete(path.name, len(times), container, stream)
    return StoredTimes(times, last_duration_s, (stream.average_rate, stream.guessed_rate))


def decoded_frames(
    path: Path, container: InputContainer, stream: VideoStream
) -> Iterator[VideoFrame]:
    """Yield the frames in the order in which they are shown, timed by the stream's time base.

    Raises:
        MediaError: a frame cannot be decoded.
    """
    decoder = _decoder(stream)
    with ffmpeg_errors(path, DAMAGED):
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


def _check_complete(name: str, count: int, container: InputContainer, stream: VideoStream) -> None:
    if count == 0:
        raise MediaError(f"{name}: the video holds no frames")
    indexed = len(stream.index_entries) if "mp4" in container.format.name else 0
    if count < indexed:
        raise MediaError(f"{name}: the file ends early; it holds {count:,} of {indexed:,} frames")


def _open(path: Path, limits: MediaLimits) -> InputContainer:
    with ffmpeg_errors(path, "not a video, or its beginning or index is damaged"):
        try:
            return av.open(str(path), options=_options(limits))
        except EOFError as error:
            raise MediaError(f"{path.name}: the video holds no frames") from error


def _options(limits: MediaLimits) -> dict[str, str]:
    return {
        "format_whitelist": FORMATS,
        "protocol_whitelist": "file",
        "max_pixels": str(limits.max_pixels),
    }


def _picture_stream(name: str, container: InputContainer) -> VideoStream:
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if streams:
        return streams[0]
    if has_audio(container):
        raise MediaError(f"{name}: the file holds sound but no video")
    raise MediaError(f"{name}: the file holds no video")
