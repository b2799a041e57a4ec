"""Find a mark in frames that were encoded, resized, or never marked.

The score of a pattern w over coefficients c is sum(w c) / sqrt(sum(c^2)): of unit variance where
there is no mark, so thresholds are rates of error. What a picture shows itself is noise here;
most of it goes by taking off its blurred self and clipping what is left: edges are tall and few,
a mark is low and everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn
from scipy.ndimage import gaussian_filter

from media.errors import ParameterError
from media.watermark.pattern import (
    PUBLIC_KEY,
    SYMBOL_BITS,
    SYMBOLS,
    Signs,
    band,
    presence,
    symbol,
)

# exp(-6^2 / 2) = 1.5e-8 for a mark, and 256 times that for one of a symbol's values.
LEAST_SCORE = 6.0
# More frames add little to the score.
MOST_FRAMES = 64
BLUR = 0.03  # of the shorter side
CLIP = 4.0  # of 255
BRIGHTNESS = np.array([0.2126, 0.7152, 0.0722], np.float32)  # BT.709


@dataclass(frozen=True)
class WatermarkResult:
    """What was found.

    Attributes:
        found: whether there is a mark of the key.
        score: of its presence, in standard deviations; unmarked frames score about 0.
        payload: the 32 bits, or None where they cannot be read for certain.
        frames: that were looked at.
    """

    found: bool
    score: float
    payload: int | None
    frames: int


class WatermarkDetector:
    """Takes frames one by one, and then tells.

    Args:
        key: of the marks that are looked for.
    """

    def __init__(self, key: bytes = PUBLIC_KEY) -> None:
        self._key = key
        self._sum: NDArray[np.float32] | None = None
        self._frames = 0

    @property
    def has_enough(self) -> bool:
        """Whether more frames are not needed."""
        return self._frames >= MOST_FRAMES

    def add(self, frame: NDArray[np.uint8]) -> None:
        """Take one frame, (height, width, 3) uint8 RGB, all of one size."""
        left = _without_picture(frame)
        if self._sum is not None and self._sum.shape != left.shape:
            raise ParameterError(f"a frame is {left.shape}; the others are {self._sum.shape}")
        self._sum = left if self._sum is None else self._sum + left
        self._frames += 1

    def finding(self) -> WatermarkResult:
        """What the frames so far show."""
        if self._sum is None:
            return WatermarkResult(False, 0.0, None, 0)
        chosen = band(*self._sum.shape)
        rows, columns = chosen.shape
        waves = dctn(self._sum, norm="ortho")[:rows, :columns][chosen]
        score = _score(waves, presence(self._key), chosen)
        found = score >= LEAST_SCORE
        payload = self._payload(waves, chosen) if found else None
        return WatermarkResult(found, round(score, 2), payload, self._frames)

    def _payload(self, waves: NDArray[np.float32], chosen: NDArray[np.bool_]) -> int | None:
        payload = 0
        for place in range(SYMBOLS):
            scores = [
                _score(waves, symbol(self._key, place, value), chosen)
                for value in range(1 << SYMBOL_BITS)
            ]
            best = int(np.argmax(scores))
            if scores[best] < LEAST_SCORE:
                return None
            payload = payload << SYMBOL_BITS | best
        return payload


def _without_picture(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    brightness = frame.astype(np.float32) @ BRIGHTNESS
    blurred = gaussian_filter(brightness, max(1.0, BLUR * min(brightness.shape)))
    left: NDArray[np.float32] = np.clip(brightness - blurred, -CLIP, CLIP)
    return left


def _score(waves: NDArray[np.float32], signs: Signs, chosen: NDArray[np.bool_]) -> float:
    rows, columns = chosen.shape
    length = float(np.linalg.norm(waves))
    return float(waves @ signs[:rows, :columns][chosen]) / length if length > 0 else 0.0
