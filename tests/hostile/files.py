"""Malicious and broken files, generated for each run."""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import tempfile
import zipfile
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from PIL import Image

from tests import samples

GOOD_IMAGE = samples.png()
GOOD_POSES = samples.poses(3)
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
CONCAT = b"ffconcat version 1.0\nfile /etc/passwd\nfile http://127.0.0.1/\n"
DASH = b'<?xml version="1.0"?><MPD><Period><BaseURL>file:///etc/passwd</BaseURL></Period></MPD>'
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n(/etc/passwd) (r) file\n%%EOF\n"


@cache
def mp4(frames: int = 8) -> bytes:
    """Make a valid video of black frames, without a person."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.mp4"
        with av.open(str(file), "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=10)
            stream.width = stream.height = samples.SIDE
            stream.pix_fmt = "yuv420p"
            black = np.zeros((samples.SIDE, samples.SIDE, 3), dtype=np.uint8)
            for _ in range(frames):
                container.mux(stream.encode(VideoFrame.from_ndarray(black, format="rgb24")))
            container.mux(stream.encode(None))
        return file.read_bytes()


@cache
def sound() -> bytes:
    """Make a valid mp4 with audio only."""
    with tempfile.TemporaryDirectory() as folder:
        return samples.sound(Path(folder))


def with_box(name: bytes, at: int, value: int) -> bytes:
    """Change 32 bits of a box of the video, `at` bytes after the box's name."""
    content = bytearray(mp4())
    place = content.index(name) + 4 + at
    content[place : place + 4] = struct.pack(">I", value)
    return bytes(content)


def external_data() -> bytes:
    """Make a video that refers to data in another file (QuickTime's alias to a path)."""
    content = mp4()
    url = content.index(b"url ")
    return content[:url] + b"alis" + content[url + 4 : url + 7] + b"\0" + content[url + 8 :]


def mutated(seed: int) -> bytes:
    """Replace one byte in fifty of the video by a random one."""
    numbers, content = random.Random(seed), bytearray(mp4())
    for _ in range(len(content) // 50):
        content[numbers.randrange(8, len(content))] = numbers.randrange(256)
    return bytes(content)


def corrupt_after_first_frame() -> bytes:
    """Make a video whose first frame is valid and whose other frames are noise."""
    content = bytearray(mp4(40))
    data = content.index(b"mdat") + 4
    noise = random.Random(1).randbytes(len(content))
    middle = data + 900
    end = content.index(b"moov") - 4 if content.index(b"moov") > data else len(content)
    content[middle:end] = noise[middle:end]
    return bytes(content)


def png_of_chunks(*chunks: tuple[bytes, bytes]) -> bytes:
    """Make a PNG of 64x64 with these chunks before its data."""
    head = (b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0))
    rows = zlib.compress(bytes(64 * (1 + 3 * 64)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (head, *chunks, (b"IDAT", rows), (b"IEND", b""))
    )


def text_bomb() -> bytes:
    """Make a PNG with a compressed comment of 64 MiB."""
    return png_of_chunks((b"zTXt", b"a\0\0" + zlib.compress(bytes(64 * 1024 * 1024), 9)))


def data_bomb() -> bytes:
    """Make a PNG of 64x64 whose data decompresses to 256 MiB."""
    packed = zlib.compress(bytes(256 * 1024 * 1024), 9)
    head = (b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (head, (b"IDAT", packed), (b"IEND", b""))
    )


def huge(kind: str, side: int = 12_000) -> bytes:
    """Make a small file of 144 million pixels in one colour."""
    stream = io.BytesIO()
    options: dict[str, Any] = {"compression": "tiff_deflate"} if kind == "TIFF" else {}
    Image.new("1" if kind != "GIF" else "P", (side, side)).save(stream, kind, **options)
    return stream.getvalue()


class CommandPickle:
    """An object that runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.system, ("touch /tmp/tcan-was-here",)


def pickled() -> bytes:
    """Make a pickle that runs a command."""
    return pickle.dumps(CommandPickle())


def poses_with(**changes: Any) -> bytes:
    """Make a pose file of one frame with changed fields."""
    [frame] = samples.pose_frames(1)
    return json.dumps([{**frame, **changes}]).encode()


def zipped(members: dict[str, bytes]) -> bytes:
    """Make a zip of files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()
