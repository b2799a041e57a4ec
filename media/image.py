"""Read and write still images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from media.alpha import over_white
from media.atomic_write import atomic_write
from media.errors import MediaError, ParameterError
from media.files import MediaFile, Source, media_file
from media.limits import MediaLimits

IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
# What Pillow raises for damaged files; the last two are of the decoders of AVIF and TIFF.
DAMAGED = (OSError, SyntaxError, ValueError, EOFError, RuntimeError, TypeError)


def read_image(source: Source, limits: MediaLimits | None = None) -> NDArray[np.uint8]:
    """Read a still image upright; of an animated one, the first frame.

    Args:
        source: a PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF file, whatever its name.
        limits: checked against what the header declares, before any pixel is decoded.

    Returns:
        (height, width, 3) uint8 RGB; EXIF orientation applied, transparent parts over white.

    Raises:
        MediaError: no such file, empty, not an image, damaged, or over a limit.
    """
    file, limits = media_file(source), limits or MediaLimits()
    limits.check_file(file)
    with _opened(file, limits) as image:
        try:
            upright = ImageOps.exif_transpose(image)
            return _to_rgb(upright)
        except DAMAGED as error:
            raise MediaError(f"{file.name}: the image is damaged ({error})") from error


def is_still_image(source: Source, limits: MediaLimits | None = None) -> bool:
    """Return whether the file is an image of one frame, reading its header alone.

    Raises:
        MediaError: no such file, empty, or an image over a limit.
    """
    file, limits = media_file(source), limits or MediaLimits()
    limits.check_file(file)
    try:
        with _opened(file, limits) as image:
            return int(getattr(image, "n_frames", 1)) == 1
    except _NotAnImageError:
        return False


def write_png(path: Path | str, image: NDArray[np.uint8]) -> None:
    """Write (height, width, 3) uint8 RGB, or (height, width) grey, as PNG; never half written.

    Raises:
        ParameterError: the array is not uint8 or has another shape.
        MediaError: the file cannot be written.
    """
    path = Path(path)
    if image.dtype != np.uint8 or not (image.ndim == 2 or image.shape[2:] == (3,)):
        raise ParameterError(
            f"the picture is {image.dtype} {image.shape};"
            " it must be uint8 (height, width, 3) or (height, width)"
        )
    try:
        with atomic_write(path) as unfinished:
            Image.fromarray(np.ascontiguousarray(image)).save(unfinished, format="PNG")
    except OSError as error:
        raise MediaError(f"{path.name}: cannot be written ({error})") from error


class _NotAnImageError(MediaError):
    """The file's first bytes are those of no image format."""


@contextmanager
def _opened(file: MediaFile, limits: MediaLimits) -> Iterator[Image.Image]:
    """Open the header of an image and check the size that it declares."""
    with file.open() as stream, _header(file.name, stream, limits) as image:
        limits.check_size(file.name, image.height, image.width)
        yield image


def _header(name: str, stream: BinaryIO, limits: MediaLimits) -> Image.Image:
    try:
        return Image.open(stream, formats=IMAGE_FORMATS)
    except UnidentifiedImageError as error:
        names = ", ".join(IMAGE_FORMATS)
        raise _NotAnImageError(f"{name}: not an image of a known kind ({names})") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaError(_too_many_pixels(name, error, limits)) from error
    except DAMAGED as error:
        raise MediaError(f"{name}: the image is damaged ({error})") from error


def _too_many_pixels(name: str, error: Exception, limits: MediaLimits) -> str:
    # Pillow refuses huge pictures itself before it shows their size; its message names the pixels.
    found = re.search(r"\((\d+) pixels\)", str(error))
    declared = f"{int(found[1]):,}" if found else "too many"
    return (
        f"{name}: the picture declares {declared} pixels; at most {limits.max_pixels:,} are allowed"
    )


def _to_rgb(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode.startswith("I;16"):
        return _grey_to_rgb(np.asarray(image).astype(np.uint16) // 257)
    if image.mode in ("I", "F"):
        return _grey_to_rgb(np.asarray(image))
    if image.has_transparency_data:
        return over_white(np.asarray(image.convert("RGBA")))
    return np.array(image.convert("RGB"))


def _grey_to_rgb(grey: NDArray[np.generic]) -> NDArray[np.uint8]:
    levels = np.clip(np.nan_to_num(grey.astype(np.float64)), 0, 255).round().astype(np.uint8)
    return np.repeat(levels[..., None], 3, axis=-1)
