"""Animated WebP, which FFmpeg does not read; numpy is not needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image, ImageOps, ImageSequence

from media.errors import MediaError
from media.files import MediaFile
from media.icc import to_srgb
from media.image_file import ignore_warning, map_decoding_errors, open_image
from media.limits import MediaLimits

_RIFF_BYTES, _CHUNK_BYTES = 12, 8
# Where a chunk `ANMF` has its duration, three bytes of milliseconds.
_DURATION_AT, _FRAME_BYTES = 12, 16
_ANIMATION_FLAG = 2
# Browsers show a frame without a duration this long.
_DEFAULT_MS = 100


def frame_durations_s(file: MediaFile, limits: MediaLimits) -> list[float]:
    """Return how long each frame is shown; empty for every other kind of file.

    Raises:
        MediaError: no such file, empty, or over a limit.
    """
    limits.check_file(file)
    with file.open() as stream:
        durations = [ms / 1000 for ms in _durations_ms(file.name, stream, limits)]
    limits.check_duration(file.name, sum(durations))
    return durations


def read_frames(file: MediaFile, limits: MediaLimits) -> Iterator[Image.Image]:
    """Yield the frames upright, RGBA in sRGB; `read_image` warns of a damaged colour profile.

    Raises:
        MediaError: damaged, or over a limit.
    """
    with open_image(file, limits) as image, map_decoding_errors(file.name):
        for frame in ImageSequence.Iterator(image):
            upright = ImageOps.exif_transpose(frame)
            yield to_srgb(file.name, upright, ignore_warning).convert("RGBA")


def _durations_ms(name: str, stream: BinaryIO, limits: MediaLimits) -> Iterator[int]:
    head = stream.read(_RIFF_BYTES + _CHUNK_BYTES + 1)
    if head[:4] != b"RIFF" or head[8:16] != b"WEBPVP8X" or not head[20] & _ANIMATION_FLAG:
        return
    end, count = _RIFF_BYTES, 0
    stream.seek(end)
    while len(header := stream.read(_CHUNK_BYTES)) == _CHUNK_BYTES:
        length = int.from_bytes(header[4:], "little")
        if header[:4] == b"ANMF":
            content = stream.read(_FRAME_BYTES)
            yield int.from_bytes(content[_DURATION_AT : _DURATION_AT + 3], "little") or _DEFAULT_MS
            count += 1
            limits.check_frames(name, count)
        end += _CHUNK_BYTES + length + length % 2
        stream.seek(end)
    if not count:
        raise MediaError(f"{name}: the video has no frames")
