"""Is this an image that can be animated?"""

from __future__ import annotations

import io
import re
import struct

from PIL import Image, UnidentifiedImageError

from service.contract.errors import ErrorCode
from service.contract.limits import InputLimits
from service.errors import Rejected
from service.stores.objects import Content

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

PNG_HEAD = b"\x89PNG\r\n\x1a\n"
PNG_SIZE, PNG_CHUNK = struct.Struct(">II"), struct.Struct(">I4s")
# Pictures that are decoded in the time that handing them to a thread takes: few pixels, and none of
# the chunks that unpack into something else.
QUICK_PIXELS = 128 * 128
QUICK_CHUNKS = frozenset(
    (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"pHYs")
)


def inspect_image(content: Content, limits: InputLimits) -> str:
    """Check an image's declared size, then that all of it can be decoded.

    Returns:
        The suffix of its format, `.png` for a PNG.

    Raises:
        Rejected: not an image, damaged, too small, or of too many pixels.
    """
    try:
        source = io.BytesIO(content) if isinstance(content, bytes) else content
        with Image.open(source, formats=FORMAT_NAMES) as image:
            _check_size(image.width, image.height, limits)
            suffix = FORMATS[image.format or ""]
            image.draft("RGB", (limits.min_side, limits.min_side))  # a JPEG decodes small, but all
            image.load()
            return suffix
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(_declared_pixels(error), limits) from error
    except UnidentifiedImageError as error:
        raise Rejected(
            ErrorCode.INVALID_IMAGE, f"image: not one of the kinds {', '.join(FORMATS)}"
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise Rejected(ErrorCode.INVALID_IMAGE, f"image: damaged ({error})") from error


def is_quick(content: bytes) -> bool:
    """Whether this is a plain PNG so small that it is inspected at once."""
    kinds = _png_chunks(content)
    if kinds[:1] != [b"IHDR"] or b"IHDR" in kinds[1:] or not QUICK_CHUNKS.issuperset(kinds):
        return False
    width, height = PNG_SIZE.unpack_from(content, 16)
    return bool(width * height <= QUICK_PIXELS)


def _png_chunks(content: bytes) -> list[bytes]:
    """The kinds of a PNG's whole chunks, in order; none of what is no PNG."""
    kinds: list[bytes] = []
    at = len(PNG_HEAD)
    while content.startswith(PNG_HEAD) and at + PNG_CHUNK.size <= len(content):
        length, kind = PNG_CHUNK.unpack_from(content, at)
        kinds.append(kind)
        at += 12 + length
    return kinds if len(content) >= 24 else []


def _check_size(width: int, height: int, limits: InputLimits) -> None:
    if min(width, height) < limits.min_side:
        raise Rejected(
            ErrorCode.IMAGE_TOO_SMALL,
            f"image: {width}x{height} pixels; each side needs at least {limits.min_side}",
        )
    if width * height > limits.max_image_pixels:
        raise _too_large(f"{width}x{height} = {width * height:,}", limits)


def _too_large(declared: str, limits: InputLimits) -> Rejected:
    return Rejected(
        ErrorCode.IMAGE_TOO_LARGE,
        f"image: declares {declared} pixels; at most {limits.max_image_pixels:,} are taken",
    )


def _declared_pixels(error: Exception) -> str:
    """The number of pixels in Pillow's own refusal, which comes before it tells the size."""
    found = re.search(r"\((\d+) pixels\)", str(error))
    return f"{int(found[1]):,}" if found else "too many"
