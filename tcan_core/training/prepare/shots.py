"""Where a video cuts from one shot to the next."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_SIDE = 16  # pixels of the small pictures that are compared
_NEAR = 4  # frames on each side that a change is measured against
# Of 255; less is no cut, however still the rest is. On puppets, motion changes at most 3 and cuts
# at least 13.
MIN_CHANGE = 8.0
MIN_RATIO = 3.0  # a cut changes the picture so many times as much as the frames around it


def thumbnail(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what `find_shots` compares of a frame (height, width, 3): (16, 16, 3), 0..255."""
    small = cv2.resize(frame, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2Lab), np.float32)


def find_shots(thumbnails: Sequence[NDArray[np.float32]]) -> list[range]:
    """Return the frames of each shot, in order, all frames in one of them.

    A cut is a change of the whole picture that stands out from the changes around it, so that a
    quick motion or a shaking camera is none. Fades are not found.

    Args:
        thumbnails: one for each frame, from `thumbnail`.
    """
    changes = np.array(
        [np.abs(b - a).mean() for a, b in zip(thumbnails, thumbnails[1:], strict=False)]
    )
    cuts = [i + 1 for i, change in enumerate(changes) if _stands_out(changes, i, float(change))]
    edges = [0, *cuts, len(thumbnails)]
    return [range(a, b) for a, b in zip(edges, edges[1:], strict=False) if b > a]


def _stands_out(changes: Floats, index: int, change: float) -> bool:
    around = np.concatenate(
        [changes[max(0, index - _NEAR) : index], changes[index + 1 : index + 1 + _NEAR]]
    )
    usual = float(np.median(around)) if len(around) else 0.0
    return change >= MIN_CHANGE and change >= MIN_RATIO * usual
