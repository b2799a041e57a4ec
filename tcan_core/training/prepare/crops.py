"""The square crop around a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from media.poses.keypoints import Pose
from tcan_core.conditioning.bones import stack_points

_MARGIN = 0.15  # of the person's extent, on each side, because joints lie inside the body


@dataclass(frozen=True)
class Square:
    """A square region of an image, in pixels."""

    left: int
    top: int
    side: int

    def cut(self, frame: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
        """Cut the square out of (height, width, 3) and resize it to (size, size, 3)."""
        square = frame[self.top : self.top + self.side, self.left : self.left + self.side]
        kind = cv2.INTER_AREA if self.side >= size else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(square, (size, size), interpolation=kind), np.uint8)

    def move(self, pose: Pose, size: int) -> Pose:
        """Return the pose on the canvas of the image that `cut` returns."""
        scale, corner = size / self.side, np.array([self.left, self.top])
        hands = [_moved(hand, corner, scale) for hand in (pose.hand_left, pose.hand_right)]
        return replace(
            pose,
            keypoints=(pose.keypoints - corner) * scale,
            canvas=(size, size),
            hand_left=hands[0],
            hand_right=hands[1],
            face=_moved(pose.face, corner, scale),
        )


def centered_square(size: tuple[int, int]) -> Square:
    """Return the largest centered square of an image of size (height, width)."""
    height, width = size
    side = min(height, width)
    return Square((width - side) // 2, (height - side) // 2, side)


def square_around(poses: Sequence[Pose]) -> Square:
    """Return one square for a clip that contains all of the person's joints, with a margin.

    Its side is at most the shorter side of the image.
    """
    height, width = poses[0].canvas
    points = stack_points(poses).reshape(-1, 2)
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    side = int(min(np.ceil(float((high - low).max()) * (1 + 2 * _MARGIN)), height, width))
    corner = np.round((low + high) / 2 - side / 2).astype(int)
    left, top = np.clip(corner, 0, [width - side, height - side])
    return Square(int(left), int(top), side)


def _moved(
    part: NDArray[np.float64] | None, corner: NDArray[np.int64], scale: float
) -> NDArray[np.float64] | None:
    if part is None:
        return None
    return np.concatenate([(part[:, :2] - corner) * scale, part[:, 2:]], axis=1)
