"""Valid and invalid media files for the tests."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def flag(height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """Return an image with red and green at the top, blue and white at the bottom."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = RED
    picture[: height // 2, width // 2 :] = GREEN
    picture[height // 2 :, : width // 2] = BLUE
    picture[height // 2 :, width // 2 :] = WHITE
    return picture


def corners(picture: NDArray[np.uint8]) -> list[tuple[int, ...]]:
    """Return colours near the corners, channels 0 or 255: top left, right, bottom left, right."""
    height, width = picture.shape[:2]
    points = [(3, 3), (3, width - 4), (height - 4, 3), (height - 4, width - 4)]
    return [tuple(255 * (int(v) > 127) for v in picture[point]) for point in points]


def grey_levels(frames: Sequence[NDArray[np.uint8]]) -> list[int]:
    """Return the grey level of each frame in steps of 10."""
    return [round(float(frame.mean()) / 10) for frame in frames]


def steps(count: int, height: int = 48, width: int = 64) -> list[NDArray[np.uint8]]:
    """Return grey frames, each 10 of 255 lighter than the last."""
    return [np.full((height, width, 3), 10 * (i + 1), np.uint8) for i in range(count)]


def make_video(
    path: Path,
    frames: Sequence[NDArray[np.uint8]],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    fps: Fraction = Fraction(25),
    times_ms: Sequence[int] | None = None,
    rotation: int = 0,
    mirrored: bool = False,
    pixel_aspect: Fraction | None = None,
    audio: str | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write frames, (h, w, 3) or (h, w, 4), with PyAV only."""
    movflags = {"movflags": "+faststart"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=movflags) as output:
        stream = output.add_stream(codec, rate=fps, options=options or {})
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        tick = Fraction(1, 1000) if times_ms is not None else 1 / fps
        stream.codec_context.time_base = tick
        if rotation or mirrored:
            stream.set_display_rotation(rotation, hflip=mirrored)
        if audio is not None:
            add_tone(output, audio, len(frames) / float(fps))
        for i, pixels in enumerate(frames):
            kind = "rgba" if pixels.shape[-1] == 4 else "rgb24"
            frame = VideoFrame.from_ndarray(pixels, format=kind).reformat(format=pix_fmt)
            frame.pts = times_ms[i] if times_ms is not None else i
            frame.time_base = tick
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


def add_tone(output: OutputContainer, codec: str, duration_s: float) -> None:
    """Add an audio track of 440 Hz."""
    rate = 48_000 if codec != "aac" else 44_100
    stream = output.add_stream(codec, rate=rate, layout="mono")
    assert isinstance(stream, AudioStream)
    samples = np.sin(np.arange(int(rate * duration_s)) * (2 * np.pi * 440 / rate))
    size = stream.codec_context.frame_size or 1024
    kind = str(getattr(stream.codec_context.format, "name", ""))
    for start in range(0, len(samples), size):
        part = samples[None, start : start + size]
        data = part.astype(np.float32) if "flt" in kind else (part * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(data, format=kind, layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def trim(path: Path, source: Path, start_s: float) -> Path:
    """Copy a video from a time on, with its key frame, as `ffmpeg -ss -c copy` does.

    An edit list hides the frames from the key frame to `start_s`; players skip them.
    """
    with av.open(str(source)) as reader, av.open(str(path), "w") as output:
        stream = reader.streams.video[0]
        copy = output.add_stream_from_template(stream)
        reader.seek(round(start_s * av.time_base))
        assert stream.time_base is not None
        shift = round(start_s / stream.time_base)
        for packet in reader.demux(stream):
            if packet.dts is None or packet.pts is None:
                continue
            packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, copy
            output.mux(packet)
    return path


def show_only(path: Path, start_ms: int, duration_ms: int) -> None:
    """Trim an mp4 file by its edit list, as phones do; every frame stays in the file."""
    data = bytearray(path.read_bytes())
    scale_at, edits_at = data.index(b"mdhd") + 16, data.index(b"elst") + 8
    (scale,) = struct.unpack_from(">I", data, scale_at)
    count, _, first = struct.unpack_from(">IIi", data, edits_at)
    assert count == 1
    media_time = first + start_ms * scale // 1000  # the first frame's offset is for B-frames
    struct.pack_into(">Ii", data, edits_at + 4, duration_ms, media_time)
    path.write_bytes(data)


def make_audio(path: Path, codec: str = "aac", duration_s: float = 0.5) -> Path:
    """Write a file with audio only."""
    with av.open(str(path), "w") as output:
        add_tone(output, codec, duration_s)
    return path


def make_song_with_cover(path: Path) -> Path:
    """Write audio with cover art."""
    with av.open(str(path), "w", format="mp4") as output:
        stream = output.add_stream("mjpeg", rate=1)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuvj420p"
        stream.disposition = Disposition.attached_pic
        add_tone(output, "aac", 0.3)
        picture = VideoFrame.from_ndarray(flag(), format="rgb24").reformat(format="yuvj420p")
        picture.pts = 0
        output.mux(stream.encode(picture))
    return path


def make_empty_track(path: Path) -> Path:
    """Write a Matroska file with a video track without frames."""
    with av.open(str(path), "w", format="matroska") as output:
        stream = output.add_stream("libx264", rate=25)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        output.start_encoding()
    return path


def make_png_header(path: Path, height: int, width: int) -> Path:
    """Write a PNG that declares a size and contains almost no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks))
    return path


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
