"""Open image files safely; numpy is not needed."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from media.errors import MediaError, Problem
from media.files import MediaFile
from media.kinds import HEAD_BYTES, unsupported_image
from media.limits import MediaLimits
from media.png_metadata import without_oversized_metadata

# Formats that are read, and the suffixes of their files. Pillow's other formats are a risk.
IMAGE_SUFFIXES = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "WEBP": ".webp",
    "GIF": ".gif",
    "BMP": ".bmp",
    "TIFF": ".tiff",
    "AVIF": ".avif",
}
# A JPEG with further pictures behind the first one, as phones make them.
JPEG_WITH_MORE = "MPO"
# Several pictures in a file of another format are no animation.
ANIMATED_FORMATS = frozenset({"PNG", "WEBP", "GIF", "AVIF"})
# Pillow's exceptions for damaged files; the last two come from its decoders of AVIF and TIFF.
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, RuntimeError, TypeError)


class NotAnImageError(MediaError):
    """The first bytes of the file are those of no image format."""


def ignore_warning(text: str) -> None:
    """Do nothing with a warning."""


@contextmanager
def open_image(
    file: MediaFile, limits: MediaLimits, warn: Callable[[str], None] = ignore_warning
) -> Iterator[Image.Image]:
    """Open an image and check the size that its header declares; nothing is decoded.

    Args:
        warn: called if metadata is left out.

    Raises:
        MediaError: no such file, empty, not an image, or over a limit.
    """
    limits.check_file(file)
    with file.open() as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Pillow's, on damaged metadata
        shortened = without_oversized_metadata(stream)
        if shortened is not None:
            warn(f"{file.name}: its texts and colour profile were ignored, they are too large")
        with _header(file.name, shortened or stream, limits) as image:
            limits.check_size(file.name, image.height, image.width)
            yield image


@contextmanager
def map_decoding_errors(name: str) -> Iterator[None]:
    """Raise MediaError in place of Pillow's errors.

    Args:
        name: file name for the message.
    """
    try:
        yield
    except DAMAGED as error:
        raise MediaError(f"{name}: the image is damaged ({error})") from error


def check_image(file: MediaFile, limits: MediaLimits) -> str:
    """Check that an image can be animated: its size, then that all of it can be decoded.

    Returns:
        The suffix of its format, such as `.png`.

    Raises:
        MediaError: not an image, damaged, or over a limit.
    """
    with open_image(file, limits) as image:
        limits.check_aspect(file.name, image.height, image.width)
        suffix = IMAGE_SUFFIXES["JPEG" if image.format == JPEG_WITH_MORE else image.format or ""]
        with map_decoding_errors(file.name):
            # A JPEG is decoded at a fraction of its size, but all of its bytes are read.
            image.draft("RGB", (limits.min_side, limits.min_side))
            image.load()
        return suffix


def _header(name: str, stream: BinaryIO, limits: MediaLimits) -> Image.Image:
    try:
        return Image.open(stream, formats=tuple(IMAGE_SUFFIXES))
    except UnidentifiedImageError as error:
        raise NotAnImageError(f"{name}: {_unidentified(stream)}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaError(_too_many_pixels(name, error, limits), Problem.TOO_LARGE) from error
    except DAMAGED as error:
        raise MediaError(f"{name}: the image is damaged ({error})") from error


def _unidentified(stream: BinaryIO) -> str:
    """Return what is wrong with a file that is no image of the formats that are read."""
    stream.seek(0)
    kind = unsupported_image(stream.read(HEAD_BYTES))
    if kind is not None:
        return (
            f"{kind} cannot be read; convert it to PNG or JPEG first,"
            " such as with ImageMagick: magick FILE image.png"
        )
    return f"not an image of a known kind ({', '.join(IMAGE_SUFFIXES)})"


def _too_many_pixels(name: str, error: Exception, limits: MediaLimits) -> str:
    # Pillow itself rejects huge images before it returns their size; its message has the number.
    match = re.search(r"\((\d+) pixels\)", str(error))
    declared = f"{int(match[1]):,}" if match else "too many"
    return (
        f"{name}: the image declares {declared} pixels; at most {limits.max_pixels:,} are allowed"
    )
