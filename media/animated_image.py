"""Animated images: how long their frames are shown, and those that Pillow reads; needs no numpy.

FFmpeg reads no animated WebP, and not the transparency of an AVIF.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import BinaryIO, NamedTuple

from PIL import Image, ImageOps, ImageSequence

from media.container import open_video
from media.errors import MediaError
from media.files import MediaFile
from media.frame_times import frame_times
from media.icc import to_srgb
from media.image_file import (
    NotAnImageError,
    ignore_warning,
    map_decoding_errors,
    open_image,
)
from media.kinds import is_animated_image, read_head
from media.limits import MediaLimits
from media.timing import MAX_FPS

_RIFF_BYTES, _CHUNK_BYTES = 12, 8
# Where a chunk `ANMF` has its duration, three bytes of milliseconds.
_DURATION_AT, _FRAME_BYTES = 12, 16
_ANIMATION_FLAG = 2
# Browsers show a frame this long that has no duration, or almost none.
_DEFAULT_S = 0.1


class Animation(NamedTuple):
    """Properties of an animated image.

    Attributes:
        durations_s: how long each frame is shown.
        is_read_by_pillow: whether it must be read by `read_frames`, and not by FFmpeg.
        profile: ICC profile of its colours; None if they are sRGB.
    """

    durations_s: list[float]
    is_read_by_pillow: bool = False
    profile: bytes | None = None


def find_animation(file: MediaFile, limits: MediaLimits) -> Animation | None:
    """Return the properties of an animated WebP, AVIF, PNG or GIF; None for another file.

    Nothing is decoded.

    Raises:
        MediaError: no such file, empty, damaged, or over a limit.
    """
    durations_s = _durations_s(file, limits)
    if not durations_s:
        return None
    try:
        with open_image(file, limits) as image:
            by_pillow = image.format == "WEBP" or (
                image.format == "AVIF" and image.has_transparency_data
            )
            return Animation(durations_s, by_pillow, image.info.get("icc_profile"))
    except NotAnImageError:
        return Animation(durations_s)


def read_frames(file: MediaFile, limits: MediaLimits) -> Iterator[Image.Image]:
    """Yield the frames upright, RGBA in sRGB; `read_image` warns of a damaged colour profile.

    Raises:
        MediaError: damaged, or over a limit.
    """
    with open_image(file, limits) as image, map_decoding_errors(file.name):
        for frame in ImageSequence.Iterator(image):
            upright = ImageOps.exif_transpose(frame)
            yield to_srgb(file.name, upright, ignore_warning).convert("RGBA")


def _durations_s(file: MediaFile, limits: MediaLimits) -> list[float]:
    limits.check_file(file)
    with file.open() as stream:
        stored = [ms / 1000 for ms in _webp_durations_ms(file.name, stream, limits)]
        head = read_head(stream)
    if is_animated_image(head):
        stored = _packet_durations_s(file, limits)
    durations = [one if one * MAX_FPS >= 1 else _DEFAULT_S for one in stored]
    limits.check_frames(file.name, len(durations))
    limits.check_duration(file.name, sum(durations))
    return durations


def _packet_durations_s(file: MediaFile, limits: MediaLimits) -> list[float]:
    """Return the durations by FFmpeg; empty if it does not know all of them."""
    with open_video(file, limits, max_threads=1) as (container, stream):
        times = frame_times(file.name, container, stream, limits)
    starts_s = sorted(time for time in times.times_s if time is not None)
    if len(starts_s) < len(times.times_s) or times.last_duration_s is None:
        return []
    return [after - before for before, after in pairwise(starts_s)] + [times.last_duration_s]


def _webp_durations_ms(name: str, stream: BinaryIO, limits: MediaLimits) -> Iterator[int]:
    head = stream.read(_RIFF_BYTES + _CHUNK_BYTES + 1)
    if head[:4] != b"RIFF" or head[8:16] != b"WEBPVP8X" or not head[20] & _ANIMATION_FLAG:
        return
    end, count = _RIFF_BYTES, 0
    stream.seek(end)
    while len(header := stream.read(_CHUNK_BYTES)) == _CHUNK_BYTES:
        length = int.from_bytes(header[4:], "little")
        if header[:4] == b"ANMF":
            content = stream.read(_FRAME_BYTES)
            yield int.from_bytes(content[_DURATION_AT : _DURATION_AT + 3], "little")
            count += 1
            limits.check_frames(name, count)
        end += _CHUNK_BYTES + length + length % 2
        stream.seek(end)
    if not count:
        raise MediaError(f"{name}: the video has no frames")
