"""Conversion of images with an embedded colour profile to sRGB, by LittleCMS."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import product

from PIL import Image, ImageCms

# Modes of the images that profiles of a colour space are for, and the mode LittleCMS is given.
_MODES = {
    "RGB": ({"RGB", "RGBA", "RGBX", "P", "PA", "L", "LA", "1", "YCbCr"}, "RGB"),
    "GRAY": ({"L", "LA", "1"}, "L"),
    "CMYK": ({"CMYK"}, "CMYK"),
    "Lab": ({"LAB"}, "LAB"),
}
# Colours by which a profile of sRGB is recognized, and the levels by which it may change them.
_PROBES = bytes(level for colour in product(range(0, 256, 51), repeat=3) for level in colour)
_TOLERANCE = 2


def to_srgb(name: str, image: Image.Image, warn: Callable[[str], None]) -> Image.Image:
    """Convert an image to sRGB by its profile; without one its values are taken as sRGB.

    Args:
        name: file name for warnings.
        image: an image of 8 bits per channel.
        warn: called for a profile that cannot be used.

    Returns:
        An image of mode RGB, or RGBA if it has transparent parts.
    """
    converted = _convert(name, image, warn)
    if not image.has_transparency_data:
        return converted or image.convert("RGB")
    rgba = image.convert("RGBA")
    if converted is None:
        return rgba
    converted.putalpha(rgba.getchannel("A"))
    return converted


def _convert(name: str, image: Image.Image, warn: Callable[[str], None]) -> Image.Image | None:
    """Return the colours in sRGB, or None if they need no conversion or have none."""
    try:
        profile = _profile(image)
        if profile is None:
            return None
        space = profile.profile.xcolor_space.strip()
        modes, mode = _MODES.get(space, (set(), ""))
        if image.mode not in modes:
            warn(f"{name}: its colour profile is for {space}, its pixels are not; it was ignored")
            return None
        srgb = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(profile, srgb, mode, "RGB")
        if mode == "RGB" and _changes_nothing(transform):
            return None
        return ImageCms.applyTransform(image.convert(mode), transform)
    except (ImageCms.PyCMSError, OSError):
        warn(f"{name}: its colour profile is damaged and was ignored")
        return None


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Return whether this is sRGB's profile; the name of one may lie."""
    probes = Image.frombytes("RGB", (len(_PROBES) // 3, 1), _PROBES)
    converted = ImageCms.applyTransform(probes, transform)
    assert converted is not None  # a new image, as it was not asked to change the given one
    changes = zip(_PROBES, converted.tobytes(), strict=True)
    return all(abs(before - after) <= _TOLERANCE for before, after in changes)


def _profile(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    data = image.info.get("icc_profile")
    if data:
        return ImageCms.ImageCmsProfile(io.BytesIO(data))
    if image.mode == "LAB":
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    return None
