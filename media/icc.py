"""Conversion of images with an embedded colour profile to sRGB, by LittleCMS."""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image, ImageCms

# Modes of the images that profiles of a colour space are for, and the mode LittleCMS is given.
_MODES = {
    "RGB": ({"RGB", "RGBA", "RGBX", "P", "PA", "L", "LA", "1", "YCbCr"}, "RGB"),
    "GRAY": ({"L", "LA", "1"}, "L"),
    "CMYK": ({"CMYK"}, "CMYK"),
    "Lab": ({"LAB"}, "LAB"),
}


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
        if profile is None or "sRGB" in ImageCms.getProfileDescription(profile):
            return None
        space = profile.profile.xcolor_space.strip()
        modes, mode = _MODES.get(space, (set(), ""))
        if image.mode not in modes:
            warn(f"{name}: its colour profile is for {space}, its pixels are not; it was ignored")
            return None
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image.convert(mode), profile, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        warn(f"{name}: its colour profile is damaged and was ignored")
        return None


def _profile(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    data = image.info.get("icc_profile")
    if data:
        return ImageCms.ImageCmsProfile(io.BytesIO(data))
    if image.mode == "LAB":
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    return None
