"""Embed a watermark in frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from media.errors import ParameterError
from media.watermark.pattern import PAYLOAD_BITS, PUBLIC_KEY, no_watermark_reason, pattern


class Watermarker:
    """A function that embeds one watermark in frames; it depends on the frame's size only.

    Small frames are not changed; see `pattern.no_watermark_reason`.

    Args:
        payload: 32 bits that the watermark carries.
        key: secret shared with the detector.

    Raises:
        ParameterError: the payload has more than 32 bits.
    """

    def __init__(self, payload: int, key: bytes = PUBLIC_KEY) -> None:
        if not 0 <= payload < 1 << PAYLOAD_BITS:
            raise ParameterError(f"payload is {payload}; it must have at most {PAYLOAD_BITS} bits")
        self._payload, self._key = payload, key
        self._pattern: NDArray[np.float32] = np.zeros((0, 0), np.float32)

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the frame with its watermark; both (height, width, 3) uint8 RGB."""
        height, width = frame.shape[:2]
        if no_watermark_reason(height, width) is not None:
            return frame
        if self._pattern.shape != (height, width):
            self._pattern = pattern(height, width, self._payload, self._key)
        marked = np.rint(frame + self._pattern[..., None])
        clipped: NDArray[np.uint8] = np.clip(marked, 0, 255).astype(np.uint8)
        return clipped
