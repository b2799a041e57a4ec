"""Tone mapping of HDR video to sRGB.

Light is relative to the reference white of HDR, which becomes nearly sRGB's white. Light up to half
of it stays as it is, so that people look as in SDR video; brighter light is compressed.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc, VideoReformatter
from numpy.typing import NDArray

# Names of the transfer functions of HDR.
_TRANSFERS = {ColorTrc.SMPTE2084: "PQ", ColorTrc.ARIB_STD_B67: "HLG"}
_UNSPECIFIED = 2  # of matrix and primaries

_CODES = 65_536
_WHITE_CD_M2, _PEAK_CD_M2 = 203.0, 1000.0  # ITU-R BT.2408, and the usual displays
_PEAK = _PEAK_CD_M2 / _WHITE_CD_M2
_KNEE = 0.5

# ITU-R BT.2087, and the luminance of BT.2020.
_BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    np.float32,
)
_LUMINANCE = np.array([0.2627, 0.6780, 0.0593], np.float32)


def hdr_name(frame: VideoFrame) -> str | None:
    """Return the name of the frame's HDR transfer function, or None for an SDR frame."""
    return next((name for trc, name in _TRANSFERS.items() if frame.color_trc == trc), None)


def tone_map(
    frame: VideoFrame, size: tuple[int, int], reformatter: VideoReformatter
) -> NDArray[np.uint8]:
    """Convert an HDR frame.

    Args:
        size: (height, width) of the result.
        reformatter: converts the frame to RGB.

    Returns:
        (height, width, 3) uint8 sRGB.
    """
    if frame.colorspace == _UNSPECIFIED:
        frame.colorspace = Colorspace.BT2020
    height, width = size
    rgb = reformatter.reformat(frame, width=width, height=height, format="rgb48le").to_ndarray()
    if frame.color_trc == ColorTrc.SMPTE2084:
        light = _pq_light()[rgb]
    else:
        light = _hlg_scene_light()[rgb]
        light *= _PEAK * (light @ _LUMINANCE)[..., None] ** 0.2  # the display's gamma is 1.2
    if frame.color_primaries in (ColorPrimaries.BT2020, _UNSPECIFIED):
        light = light @ _BT2020_TO_BT709.T
    steps = np.clip(light * ((_CODES - 1) / _PEAK), 0, _CODES - 1).astype(np.uint16)
    pixels: NDArray[np.uint8] = _srgb()[steps]
    return pixels


@cache
def _pq_light() -> NDArray[np.float32]:
    """Return the light of each PQ code of 16 bits. Source: SMPTE ST 2084, equation 4.1."""
    power = (np.arange(_CODES) / (_CODES - 1)) ** (32 / 2523)
    ratio = np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)
    return np.asarray(10_000 / _WHITE_CD_M2 * ratio ** (8192 / 1305), np.float32)


@cache
def _hlg_scene_light() -> NDArray[np.float32]:
    """Return the scene's light, 0..1, of each HLG code of 16 bits. Source: ITU-R BT.2100."""
    code = np.arange(_CODES) / (_CODES - 1)
    bright = (np.exp((code - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return np.where(code <= 0.5, code**2 / 3, bright).astype(np.float32)


@cache
def _srgb() -> NDArray[np.uint8]:
    """Return the sRGB level of light from 0 to the peak, in as many steps as there are codes."""
    light = _compress(np.linspace(0, _PEAK, _CODES))
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return (255 * srgb).round().astype(np.uint8)


def _compress(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return light of 0..1, the identity up to the knee and 1 at the peak (a Moebius curve)."""
    knee, peak = _KNEE, _PEAK
    a = -(knee**2) * (peak - 1) / (knee**2 - 2 * knee + peak)
    b = (knee**2 - 2 * knee * peak + peak) / (peak - 1)
    curve = (b**2 + 2 * b * knee + knee**2) / (b - a) * (light + a) / (light + b)
    return np.clip(np.where(light <= knee, light, curve), 0, 1)
