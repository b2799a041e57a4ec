"""Is this an image that can be animated?"""

from __future__ import annotations

import re
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from service.contract.errors import ErrorCode
from service.contract.limits import InputLimits
from service.errors import RejectedError

# Formats and the suffixes under which they are kept. Pillow knows many more, with more to go wrong.
FORMATS = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "WEBP": ".webp",
    "GIF": ".gif",
    "BMP": ".bmp",
    "TIFF": ".tiff",
    "AVIF": ".avif",
}


FORMAT_NAMES = tuple(FORMATS)
# What Pillow raises for damaged files; the last two are of the decoders of AVIF and TIFF.
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, RuntimeError, TypeError)


def inspect_image(source: BinaryIO, limits: InputLimits) -> str:
    """Check an image's declared size, then that all of it can be decoded.

    For a child process: the decoder sees every byte of the file.

    Returns:
        The suffix of its format, `.png` for a PNG.

    Raises:
        RejectedError: not an image, damaged, too small, too narrow, or of too many pixels.
    """
    try:
        with Image.open(source, formats=FORMAT_NAMES) as image:
            _check_size(image.width, image.height, limits)
            suffix = FORMATS[image.format or ""]
            image.draft("RGB", (limits.min_side, limits.min_side))  # a JPEG decodes small, but all
            image.load()
            return suffix
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(_declared_pixels(error), limits) from error
    except UnidentifiedImageError as error:
        raise RejectedError(
            ErrorCode.INVALID_IMAGE, f"image: not one of the kinds {', '.join(FORMATS)}"
        ) from error
    except DAMAGED as error:
        raise RejectedError(ErrorCode.INVALID_IMAGE, f"image: damaged ({error})") from error


def _check_size(width: int, height: int, limits: InputLimits) -> None:
    if min(width, height) < limits.min_side:
        raise RejectedError(
            ErrorCode.IMAGE_TOO_SMALL,
            f"image: {width}x{height} pixels; each side needs at least {limits.min_side}",
        )
    if width * height > limits.max_image_pixels:
        raise _too_large(f"{width}x{height} = {width * height:,}", limits)
    if max(width, height) > limits.max_image_aspect * min(width, height):
        raise RejectedError(
            ErrorCode.IMAGE_TOO_NARROW,
            f"image: {width}x{height} pixels; the longer side may have at most "
            f"{limits.max_image_aspect:g} times as many as the shorter",
        )


def _too_large(declared: str, limits: InputLimits) -> RejectedError:
    return RejectedError(
        ErrorCode.IMAGE_TOO_LARGE,
        f"image: declares {declared} pixels; at most {limits.max_image_pixels:,} are taken",
    )


def _declared_pixels(error: Exception) -> str:
    """The number of pixels in Pillow's own refusal, which comes before it tells the size."""
    found = re.search(r"\((\d+) pixels\)", str(error))
    return f"{int(found[1]):,}" if found else "too many"
