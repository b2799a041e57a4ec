"""Find a watermark in frames that may have been encoded again or resized.

The score of a pattern w over coefficients c is sum(w c) / sqrt(sum(c^2)). Without a watermark it
has unit variance, so a threshold defines an error rate. The content of an image is noise here;
most of it is removed by subtracting the blurred image and clipping the rest: edges are strong
and rare, a watermark is weak and everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn
from scipy.ndimage import gaussian_filter

from media.errors import ParameterError
from media.watermark.pattern import PUBLIC_KEY, SYMBOL_BITS, SYMBOLS, Signs, band, presence, symbol

# False positive rate: exp(-6^2 / 2) = 1.5e-8 for a watermark, 256 times that for a symbol.
MIN_SCORE = 6.0
# More frames improve the score little.
MAX_FRAMES = 64
BLUR = 0.03  # of the shorter side
CLIP = 4.0  # of 255
BRIGHTNESS = np.array([0.2126, 0.7152, 0.0722], np.float32)  # BT.709


@dataclass(frozen=True)
class WatermarkResult:
    """The result of a detection.

    Attributes:
        found: whether there is a watermark of the key.
        score: correlation in standard deviations; about 0 without a watermark.
        payload: the 32 bits, or None when they cannot be read with certainty.
        frames: number of frames that were examined.
    """

    found: bool
    score: float
    payload: int | None
    frames: int


class WatermarkDetector:
    """A detector of one watermark, which collects frames one by one.

    Args:
        key: secret that was used to embed the watermark.
    """

    def __init__(self, key: bytes = PUBLIC_KEY) -> None:
        self._key = key
        self._sum: NDArray[np.float32] | None = None
        self._frames = 0

    @property
    def has_enough(self) -> bool:
        """True if more frames would not improve the result."""
        return self._frames >= MAX_FRAMES

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Add a frame, (height, width, 3) uint8 RGB; all frames must have the same size."""
        residual = _residual(frame)
        if self._sum is not None and self._sum.shape != residual.shape:
            raise ParameterError(f"a frame is {residual.shape}; the others are {self._sum.shape}")
        self._sum = residual if self._sum is None else self._sum + residual
        self._frames += 1

    def result(self) -> WatermarkResult:
        """Return the result for the frames added so far."""
        if self._sum is None:
            return WatermarkResult(False, 0.0, None, 0)
        used = band(*self._sum.shape)
        rows, columns = used.shape
        waves = dctn(self._sum, norm="ortho")[:rows, :columns][used]
        score = _score(waves, presence(self._key), used)
        is_present = score >= MIN_SCORE
        payload = self._payload(waves, used) if is_present else None
        return WatermarkResult(is_present, round(score, 2), payload, self._frames)

    def _payload(self, waves: NDArray[np.float32], used: NDArray[np.bool_]) -> int | None:
        payload = 0
        for position in range(SYMBOLS):
            scores = [
                _score(waves, symbol(self._key, position, value), used)
                for value in range(1 << SYMBOL_BITS)
            ]
            best = int(np.argmax(scores))
            if scores[best] < MIN_SCORE:
                return None
            payload = payload << SYMBOL_BITS | best
        return payload


def _residual(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Remove most of the image's content, (height, width)."""
    brightness = frame.astype(np.float32) @ BRIGHTNESS
    blurred = gaussian_filter(brightness, max(1.0, BLUR * min(brightness.shape)))
    residual: NDArray[np.float32] = np.clip(brightness - blurred, -CLIP, CLIP)
    return residual


def _score(waves: NDArray[np.float32], signs: Signs, used: NDArray[np.bool_]) -> float:
    rows, columns = used.shape
    length = float(np.linalg.norm(waves))
    return float(waves @ signs[:rows, :columns][used]) / length if length > 0 else 0.0
