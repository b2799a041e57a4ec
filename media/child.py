"""What a decoding child of the worker does: read one file, and hand its pictures over.

The other side is `worker.decoding`. First comes JSON that tells the size, then one message of
pixels per frame; a file that cannot be used is JSON with its code and why.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from media.errors import InputError
from media.files import MediaFile
from media.image import read_image
from media.limits import MediaLimits
from media.video_reader import VideoReader
from sandbox.wire import MessageWriter

# Modules that PyAV and numpy import no sooner than something needs them.
LATE = ("av.subtitles.stream", "numpy.ma")


def image(file: BinaryIO, argument: dict[str, Any], out: MessageWriter) -> None:
    """Hand over a still image.

    Args:
        argument: the file's `name` and the `limits`.
    """
    try:
        pixels = read_image(*_given(file, argument))
    except InputError as error:
        out.json({"code": error.code, "detail": str(error)})
        return
    out.json({"height": pixels.shape[0], "width": pixels.shape[1]})
    out.raw(pixels.data)


def video(file: BinaryIO, argument: dict[str, Any], out: MessageWriter) -> None:
    """Hand over the frames of a video or a still image, one after the other.

    Args:
        argument: as for `image`.
    """
    try:
        reader = VideoReader(*_given(file, argument))
        height, width = reader.size
        told = {"height": height, "width": width, "fps": str(reader.fps)}
        out.json(told | {"frames": reader.expected})
        for frame in reader:
            out.raw(frame.data)
    except InputError as error:
        out.json({"code": error.code, "detail": str(error)})


def load() -> None:
    """Load what decoders load when they are first used: a child may open no file."""
    Image.init()
    for module in LATE:
        import_module(module)


def _given(file: BinaryIO, argument: dict[str, Any]) -> tuple[MediaFile, MediaLimits]:
    limits = MediaLimits(**argument["limits"])
    return MediaFile(Path(argument["name"]), file.fileno()), limits
