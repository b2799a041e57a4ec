"""Read still images as arrays, and write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from media.atomic_write import atomic_write
from media.errors import MediaError, ParameterError
from media.files import Source, media_file
from media.grey import MODES as GREY_MODES
from media.grey import to_eight_bits
from media.icc import to_srgb
from media.image_file import (
    ANIMATED_FORMATS,
    NotAnImageError,
    ignore_warning,
    map_decoding_errors,
    open_image,
)
from media.kinds import is_still, read_head
from media.limits import MediaLimits

_TURNED = 5  # EXIF orientations from this one exchange width and height


def read_image(
    source: Source,
    limits: MediaLimits | None = None,
    warn: Callable[[str], None] = ignore_warning,
) -> NDArray[np.uint8]:
    """Read a still image upright, or the first picture of a file with several.

    Args:
        source: a PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF file with any name.
        limits: size limits, checked before any pixels are decoded.
        warn: called with a sentence for the user when a part of the file cannot be used.

    Returns:
        (height, width, 3) uint8 sRGB; EXIF orientation applied, an embedded colour profile
        converted, transparent parts over white.

    Raises:
        MediaError: no such file, empty, not an image, damaged, or over a limit.
    """
    file, limits = media_file(source), limits or MediaLimits()
    with open_image(file, limits, warn) as image, map_decoding_errors(file.name):
        tags = getattr(image, "tag_v2", {})
        upright = ImageOps.exif_transpose(image)
        if image.mode in GREY_MODES:
            upright = to_eight_bits(file.name, upright, tags, warn)
        pixels = np.array(to_srgb(file.name, upright, warn))
    return composite_over_white(pixels) if pixels.shape[-1] == 4 else pixels


def image_size(source: Source, limits: MediaLimits | None = None) -> tuple[int, int]:
    """Return the (height, width) of an image as `read_image` reads it; only its header is read.

    Raises:
        MediaError: no such file, empty, not an image, or over a limit.
    """
    file = media_file(source)
    with open_image(file, limits or MediaLimits()) as image, map_decoding_errors(file.name):
        is_turned = image.getexif().get(ExifTags.Base.Orientation, 1) >= _TURNED
        return image.size if is_turned else (image.height, image.width)


def is_still_image(source: Source, limits: MediaLimits | None = None) -> bool:
    """Return whether the file is an image without animation; only its header is read.

    Raises:
        MediaError: no such file, empty, or an image over a limit or of a kind that is not read.
    """
    file, limits = media_file(source), limits or MediaLimits()
    try:
        with open_image(file, limits) as image:
            frames = int(getattr(image, "n_frames", 1))
            return frames == 1 or image.format not in ANIMATED_FORMATS
    except NotAnImageError:
        with file.open() as stream:
            if is_still(read_head(stream)):
                raise  # such as HEIC, of which FFmpeg would read a part
        return False


def write_png(path: Path | str, image: NDArray[np.uint8]) -> None:
    """Write (height, width, 3) uint8 RGB, or (height, width) grey, as PNG, atomically.

    Raises:
        ParameterError: the array is not uint8 or has another shape.
        MediaError: the file cannot be written.
    """
    path = Path(path)
    if image.dtype != np.uint8 or not (image.ndim == 2 or image.shape[2:] == (3,)):
        raise ParameterError(
            f"the image is {image.dtype} {image.shape};"
            " it must be uint8 (height, width, 3) or (height, width)"
        )
    try:
        with atomic_write(path) as temporary:
            Image.fromarray(np.ascontiguousarray(image)).save(temporary, format="PNG")
    except OSError as error:
        raise MediaError(f"{path.name}: cannot be written ({error})") from error


def composite_over_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Composite an image with alpha over white.

    Args:
        rgba: (height, width, 4) uint8, straight alpha, 0 is transparent.

    Returns:
        (height, width, 3) uint8.
    """
    alpha = rgba[..., 3:].astype(np.uint32)
    if (alpha == 255).all():
        return np.ascontiguousarray(rgba[..., :3])
    mixed = rgba[..., :3] * alpha + 255 * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)
