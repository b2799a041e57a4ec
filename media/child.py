"""Decoding of one file in a child of the worker; `worker.decoding` is the other side.

The first message is JSON with the size, then one raw message of pixels per frame follows. For a
file that cannot be used it is JSON with the error's code and message.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from media.aac import read_packets
from media.audio import extract_sound
from media.errors import InputError
from media.files import MediaFile
from media.image import read_image
from media.limits import MediaLimits, PoseFileLimits
from media.poses.archive import load_codecs, read_zip
from media.video_reader import VideoReader
from sandbox.wire import MessageWriter

# Modules that PyAV and numpy import only when they are needed.
LAZY_MODULES = ("av.subtitles.stream", "numpy.ma")


def image(file: BinaryIO, argument: dict[str, Any], out: MessageWriter) -> None:
    """Send a still image; `argument` has the file's `name` and the `limits`."""
    with _send_errors(out):
        warnings: list[str] = []
        pixels = read_image(*_file_and_limits(file, argument), warnings.append)
        out.json({"height": pixels.shape[0], "width": pixels.shape[1], "warnings": warnings})
        out.raw(pixels.data)


def video(file: BinaryIO, argument: dict[str, Any], out: MessageWriter) -> None:
    """Send the frames of a video or a still image one by one; `argument` is as for `image`."""
    with _send_errors(out):
        reader = VideoReader(*_file_and_limits(file, argument))
        height, width = reader.size
        out.json(
            {
                "height": height,
                "width": width,
                "fps": str(reader.fps),
                "frames": reader.expected,
                "warnings": reader.warnings,
            }
        )
        for frame in reader:
            out.raw(frame.data)


def poses(file: BinaryIO, argument: dict[str, Any], out: MessageWriter) -> None:
    """Send the number of pose files in a zip, then the content of each, in order."""
    with _send_errors(out):
        files = read_zip(argument["name"], file, PoseFileLimits(**argument["limits"]))
        out.json({"frames": len(files)})
        for _, data in files:
            out.raw(data)


def sound(file: BinaryIO, argument: dict[str, Any], out: MessageWriter) -> None:
    """Send a video's sound as packets of AAC, first their table, if there is any.

    `argument` is as for `image`, and has `start_s` of `extract_sound`.
    """
    with _send_errors(out):
        warnings: list[str] = []
        source, _ = _file_and_limits(file, argument)
        content = extract_sound(source, warnings.append, argument["start_s"], as_aac=True)
        if content is None:
            out.json({"warnings": warnings})
            return
        sound = read_packets(content)
        size_bytes = len(sound.table) + len(sound.data)
        layout = {"rate": sound.rate, "layout": sound.layout, "size_bytes": size_bytes}
        out.json({**layout, "warnings": warnings})
        out.raw(sound.table)
        out.raw(sound.data)


def load() -> None:
    """Load modules that decoders would load at first use: a child cannot open files."""
    Image.init()
    load_codecs()
    for module in LAZY_MODULES:
        import_module(module)


@contextmanager
def _send_errors(out: MessageWriter) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        out.json({"code": error.code, "detail": str(error)})


def _file_and_limits(file: BinaryIO, argument: dict[str, Any]) -> tuple[MediaFile, MediaLimits]:
    limits = MediaLimits(**argument["limits"])
    return MediaFile(Path(argument["name"]), file.fileno()), limits
