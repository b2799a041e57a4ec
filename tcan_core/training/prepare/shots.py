"""Where a video cuts from one shot to the next."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

_SIDE = 16  # pixels of the small pictures that are compared
LONGEST = 3_000  # frames of a shot whose people are in memory together
_NEAR = 4  # frames on each side that a change is measured against
# Of 255; less is no cut, however still the rest is. On puppets, motion changes at most 3 and cuts
# at least 13.
MIN_CHANGE = 8.0
MIN_RATIO = 3.0  # a cut changes the picture so many times as much as the frames around it


def thumbnail(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what `find_shots` compares of a frame (height, width, 3): (16, 16, 3), 0..255."""
    small = cv2.resize(frame, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2Lab), np.float32)


class ShotCutter:
    """Finds the cuts of a video while it is read.

    A cut is a change of the whole picture that stands out from the changes around it, so that a
    quick motion or a shaking camera is none. Fades are not found. A shot that grows longer than
    `longest` frames is cut there, so that who follows shot by shot needs no more memory for it.
    """

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._last: NDArray[np.float32] | None = None
        self._changes: list[float] = []  # the one at i is between frames i and i + 1
        self._judged = self._start = 0

    def add(self, small: NDArray[np.float32]) -> list[int]:
        """Take the next frame's thumbnail, and return the first frames of shots that it settles."""
        if self._last is not None:
            self._changes.append(float(np.abs(small - self._last).mean()))
        self._last = small
        return self._judge(len(self._changes) - _NEAR)

    def end(self) -> list[int]:
        """Return the first frames of the shots that were not settled before the video's end."""
        return self._judge(len(self._changes))

    def _judge(self, stop: int) -> list[int]:
        cuts = []
        for index in range(self._judged, stop):
            if _stands_out(self._changes, index) or index + 1 - self._start >= self._longest:
                self._start = index + 1
                cuts.append(self._start)
        self._judged = max(self._judged, stop)
        return cuts


def find_shots(thumbnails: Sequence[NDArray[np.float32]], longest: int = LONGEST) -> list[range]:
    """Return the frames of each shot, in order, all frames in one of them; see `ShotCutter`.

    Args:
        thumbnails: one for each frame, from `thumbnail`.
    """
    cutter = ShotCutter(longest)
    cuts = [cut for small in thumbnails for cut in cutter.add(small)] + cutter.end()
    edges = [0, *cuts, len(thumbnails)]
    return [range(a, b) for a, b in zip(edges, edges[1:], strict=False) if b > a]


def _stands_out(changes: Sequence[float], index: int) -> bool:
    around = [*changes[max(0, index - _NEAR) : index], *changes[index + 1 : index + 1 + _NEAR]]
    usual = float(np.median(around)) if around else 0.0
    return changes[index] >= MIN_CHANGE and changes[index] >= MIN_RATIO * usual
