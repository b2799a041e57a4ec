"""Tone mapping of HDR video to sRGB.

FFmpeg converts colours and brightness to PQ, which codes light in cd/m2; a table then maps it to
sRGB. Light up to half of the reference white stays as it is, brighter light is compressed.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc, VideoReformatter
from numpy.typing import NDArray

# Names of the transfer functions of HDR.
_TRANSFERS = {ColorTrc.SMPTE2084: "PQ", ColorTrc.ARIB_STD_B67: "HLG"}
_UNSPECIFIED = 2  # for matrix and primaries alike

_REFERENCE_WHITE, _PEAK = 203.0, 1000.0  # in cd/m2, from ITU-R BT.2408 and the usual displays
_KNEE = 0.5


def hdr_name(frame: VideoFrame) -> str | None:
    """Return the name of the frame's HDR transfer function, or None for an SDR frame."""
    return next((name for trc, name in _TRANSFERS.items() if frame.color_trc == trc), None)


def tone_map(
    frame: VideoFrame, size: tuple[int, int], reformatter: VideoReformatter
) -> NDArray[np.uint8]:
    """Convert an HDR frame.

    Args:
        size: (height, width) of the result.
        reformatter: the same one for all frames of a video; its first frame takes seconds.

    Returns:
        (height, width, 3) uint8 sRGB.
    """
    if frame.color_primaries == _UNSPECIFIED:
        frame.color_primaries = ColorPrimaries.BT2020
    if frame.colorspace == _UNSPECIFIED:
        frame.colorspace = Colorspace.BT2020
    converted = reformatter.reformat(
        frame,
        width=size[1],
        height=size[0],
        format="rgb48le",
        dst_color_trc=ColorTrc.SMPTE2084,
        dst_color_primaries=ColorPrimaries.BT709,
    )
    pixels: NDArray[np.uint8] = _table()[converted.to_ndarray()]
    return pixels


@cache
def _table() -> NDArray[np.uint8]:
    """Return the sRGB level of each PQ code of 16 bits."""
    light = _pq_to_light(np.arange(65_536) / 65_535) / _REFERENCE_WHITE
    mapped = np.clip(_compress(light), 0, 1)
    srgb = np.where(mapped <= 0.0031308, 12.92 * mapped, 1.055 * mapped ** (1 / 2.4) - 0.055)
    return (255 * srgb).round().astype(np.uint8)


def _pq_to_light(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return cd/m2 for PQ codes of 0..1. Source: SMPTE ST 2084, equation 4.1."""
    power = code ** (32 / 2523)
    ratio = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
    return np.asarray(10_000 * ratio ** (8192 / 1305))


def _compress(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return light of 0..1, the identity up to the knee and 1 at the peak (a Moebius curve)."""
    knee, peak = _KNEE, _PEAK / _REFERENCE_WHITE
    a = -(knee**2) * (peak - 1) / (knee**2 - 2 * knee + peak)
    b = (knee**2 - 2 * knee * peak + peak) / (peak - 1)
    curve = (b**2 + 2 * b * knee + knee**2) / (b - a) * (light + a) / (light + b)
    return np.where(light <= knee, light, curve)
