"""Detection of cuts between the shots of a video."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

_SIDE = 16  # side of the compared thumbnails in pixels
LONGEST = 3_000  # maximum frames per shot, because the people of a shot are in memory together
_NEAR = 4  # number of neighbouring changes on each side that a change is compared with
# In levels of 255; smaller changes are never cuts. On puppets, motion changes at most 3, cuts at
# least 13.
MIN_CHANGE = 8.0
MIN_RATIO = 3.0  # minimum ratio of a cut's change to the median of the neighbouring changes


def thumbnail(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the thumbnail of a frame (height, width, 3) for `ShotCutter`: (16, 16, 3) in Lab."""
    small = cv2.resize(frame, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2Lab), np.float32)


class ShotCutter:
    """Streaming detector of cuts.

    A cut is a change of the whole image that is much larger than the neighbouring changes, so
    fast motion and a shaking camera are not cuts. Fades are not detected. A shot longer than
    `longest` frames is cut there to bound memory.
    """

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._last: NDArray[np.float32] | None = None
        self._changes: list[float] = []  # the one at i is between frames i and i + 1
        self._judged = self._start = 0

    def add(self, small: NDArray[np.float32]) -> list[int]:
        """Add the next frame's thumbnail, and return the first frames of newly found shots."""
        if self._last is not None:
            self._changes.append(float(np.abs(small - self._last).mean()))
        self._last = small
        return self._judge(len(self._changes) - _NEAR)

    def end(self) -> list[int]:
        """Return the first frames of the shots found at the end of the video."""
        return self._judge(len(self._changes))

    def _judge(self, stop: int) -> list[int]:
        cuts = []
        for index in range(self._judged, stop):
            if _stands_out(self._changes, index) or index + 1 - self._start >= self._longest:
                self._start = index + 1
                cuts.append(self._start)
        self._judged = max(self._judged, stop)
        return cuts


def _stands_out(changes: Sequence[float], index: int) -> bool:
    nearby = [*changes[max(0, index - _NEAR) : index], *changes[index + 1 : index + 1 + _NEAR]]
    median = float(np.median(nearby)) if nearby else 0.0
    return changes[index] >= MIN_CHANGE and changes[index] >= MIN_RATIO * median
