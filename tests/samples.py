"""Small valid files for the tests of service, worker and CLI, generated on demand."""

from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from PIL import Image

SIDE = 64


def png(width: int = SIDE, height: int = SIDE) -> bytes:
    """Make a PNG of noise."""
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def png_that_declares(width: int, height: int) -> bytes:
    """Make a PNG of a few bytes whose header declares any size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def write_video(file: Path, frames: int = 5, size: tuple[int, int] = (SIDE, SIDE)) -> Path:
    """Write a real mp4 (H.264, 10 fps) in which a square moves; `size` is (width, height)."""
    width, height = size
    with av.open(str(file), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(frames):
            picture = np.full((height, width, 3), 200, dtype=np.uint8)
            picture[4:12, index % (width - 8) : index % (width - 8) + 8] = 0
            container.mux(stream.encode(VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return file


def video(folder: Path, frames: int = 5, size: tuple[int, int] = (SIDE, SIDE)) -> bytes:
    """Make a valid mp4."""
    return write_video(folder / "sample.mp4", frames, size).read_bytes()


def sound(folder: Path) -> bytes:
    """Make an mp4 with audio only."""
    file = folder / "sound.mp4"
    with av.open(str(file), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=44100)
        silence = np.zeros((1, 4410), dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.read_bytes()


def pose_frames(frames: int = 3, joints: int = 18, people: int = 1) -> list[dict[str, Any]]:
    """Make the data of a pose file."""
    person = {"pose_keypoints_2d": [32.0, 20.0, 1.0] * joints}
    frame = {"people": [person] * people, "canvas_width": SIDE, "canvas_height": SIDE}
    return [frame] * frames


def poses(frames: int = 3, joints: int = 18, people: int = 1) -> bytes:
    """Make a pose file."""
    return json.dumps(pose_frames(frames, joints, people)).encode()
