"""Lay a mark over frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from media.errors import ParameterError
from media.watermark.pattern import PAYLOAD_BITS, PUBLIC_KEY, no_watermark_reason, pattern


class Watermarker:
    """Marks frames one by one. A frame's mark depends on its size alone, never on other frames.

    Small frames stay as they are; `pattern.no_watermark_reason` says which, and why.

    Args:
        payload: 32 bits that the mark carries.
        key: of those who shall find it.

    Raises:
        ParameterError: the payload has more bits.
    """

    def __init__(self, payload: int, key: bytes = PUBLIC_KEY) -> None:
        if not 0 <= payload < 1 << PAYLOAD_BITS:
            raise ParameterError(f"payload is {payload}; it must have at most {PAYLOAD_BITS} bits")
        self._payload, self._key = payload, key
        self._pattern: NDArray[np.float32] = np.zeros((0, 0), np.float32)

    def __call__(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The frame with its mark; both (height, width, 3) uint8 RGB."""
        height, width = frame.shape[:2]
        if no_watermark_reason(height, width) is not None:
            return frame
        if self._pattern.shape != (height, width):
            self._pattern = pattern(height, width, self._payload, self._key)
        marked = np.rint(frame + self._pattern[..., None])
        within: NDArray[np.uint8] = np.clip(marked, 0, 255).astype(np.uint8)
        return within
