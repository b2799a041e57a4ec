"""Regions of images: around a person, and at random within them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from media.poses.keypoints import Pose
from tcan_core.conditioning.bones import MIRROR, stack_points

Size = tuple[int, int]  # height, width in pixels
Pictures = NDArray[np.uint8]
CROP_SCALE = (0.9, 1.0)  # of random crops, from the method
_MARGIN = 0.15  # of the person's extent, on each side, because joints lie inside the body


@dataclass(frozen=True)
class Region:
    """A rectangular region of an image, in pixels."""

    left: int
    top: int
    width: int
    height: int

    def cut(self, frame: Pictures, size: Size) -> Pictures:
        """Cut the region out of (height, width, 3) and resize it to (*size, 3)."""
        part = frame[self.top : self.top + self.height, self.left : self.left + self.width]
        kind = cv2.INTER_AREA if self.height >= size[0] else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(part, size[::-1], interpolation=kind), np.uint8)

    def move(self, pose: Pose, size: Size) -> Pose:
        """Return the pose on the canvas of the image that `cut` returns."""
        return move_pose(pose, (self.left, self.top, self.width, self.height), size)


@dataclass(frozen=True)
class Crop:
    """A part of a region, with the aspect ratio of the image that it becomes; may be mirrored.

    Attributes:
        scale: its sides as a fraction of the largest in the region, above 0, at most 1.
        down: vertical position within the remaining space, 0 (top) to 1 (bottom).
        across: horizontal position within the remaining space, 0 (left) to 1 (right).
        is_flipped: whether left and right are exchanged.
    """

    scale: float = 1.0
    down: float = 0.5
    across: float = 0.5
    is_flipped: bool = False

    def within(self, region: Region, size: Size) -> Region:
        """Return the part of a region for an image of a size."""
        largest = _fitted(region.height, (region.height, region.width), size)
        width, height = (max(round(self.scale * one), 1) for one in largest)
        return Region(
            region.left + round(self.across * (region.width - width)),
            region.top + round(self.down * (region.height - height)),
            width,
            height,
        )

    def cut(self, frame: Pictures, region: Region, size: Size) -> Pictures:
        """Cut the part of a region out of (height, width, 3) and resize it to (*size, 3)."""
        picture = self.within(region, size).cut(frame, size)
        return np.ascontiguousarray(picture[:, ::-1]) if self.is_flipped else picture

    def move(self, pose: Pose, region: Region, size: Size) -> Pose:
        """Return the pose on the canvas of the image that `cut` returns."""
        moved = self.within(region, size).move(pose, size)
        return mirrored(moved) if self.is_flipped else moved


def random_crop(
    rng: np.random.Generator, scale: tuple[float, float], flip_share: float = 0.0
) -> Crop:
    """Draw a crop whose scale is in a range, and which is flipped with a probability."""
    crop = Crop(rng.uniform(*scale), rng.uniform(), rng.uniform())
    return replace(crop, is_flipped=bool(flip_share) and rng.random() < flip_share)


def move_pose(pose: Pose, box: tuple[float, float, float, float], size: Size) -> Pose:
    """Return the pose on a canvas of a size that shows a part of the pose's own canvas.

    Args:
        box: left, top, width and height of that part in pixels of the pose's canvas.
    """
    left, top, width, height = box
    scale, corner = np.array([size[1] / width, size[0] / height]), np.array([left, top])
    hands = [_moved(hand, corner, scale) for hand in (pose.hand_left, pose.hand_right)]
    return replace(
        pose,
        keypoints=(pose.keypoints - corner) * scale,
        canvas=size,
        hand_left=hands[0],
        hand_right=hands[1],
        face=_moved(pose.face, corner, scale),
    )


def mirrored(pose: Pose) -> Pose:
    """Return the pose in the mirrored image: the person's left is then the right.

    The points of the face keep their order; all are drawn alike.
    """
    width = pose.canvas[1]
    return replace(
        pose,
        keypoints=_mirrored(pose.keypoints, width)[MIRROR],
        confidence=pose.confidence[MIRROR],
        hand_left=None if pose.hand_right is None else _mirrored(pose.hand_right, width),
        hand_right=None if pose.hand_left is None else _mirrored(pose.hand_left, width),
        face=None if pose.face is None else _mirrored(pose.face, width),
    )


def whole_image(size: Sequence[int]) -> Region:
    """Return the region that is all of an image of size (height, width)."""
    return Region(0, 0, size[1], size[0])


def nearest_size(sizes: Sequence[Size], image: Size) -> Size:
    """Return the size whose aspect ratio is the nearest to an image's."""
    ratio = image[0] / image[1]
    return min(sizes, key=lambda size: abs(np.log(size[0] / size[1] / ratio)))


def centered_region(image: Size, size: Size) -> Region:
    """Return the largest centered region of an image with the aspect ratio of a size."""
    width, height = _fitted(image[0], image, size)
    return Region((image[1] - width) // 2, (image[0] - height) // 2, width, height)


def region_around(poses: Sequence[Pose], size: Size) -> Region:
    """Return one region for a clip that contains all of the person's joints, with a margin.

    It has the aspect ratio of `size`, and is at most as large as the image.
    """
    image = poses[0].canvas
    points = stack_points(poses).reshape(-1, 2)
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    across, down = (high - low) * (1 + 2 * _MARGIN)
    height = max(int(np.ceil(max(down, across * size[0] / size[1]))), 1)
    width, height = _fitted(height, image, size)
    corner = np.round((low + high) / 2 - np.array([width, height]) / 2).astype(int)
    left, top = np.clip(corner, 0, [image[1] - width, image[0] - height])
    return Region(int(left), int(top), width, height)


def _fitted(height: int, image: Size, size: Size) -> tuple[int, int]:
    """Return width and height with the aspect ratio of a size, at most `height` and the image's."""
    width = height * size[1] / size[0]
    shrink = min(1.0, image[0] / height, image[1] / width)
    return max(round(width * shrink), 1), max(round(height * shrink), 1)


def _moved(
    part: NDArray[np.float64] | None, corner: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    if part is None:
        return None
    return np.concatenate([(part[:, :2] - corner) * scale, part[:, 2:]], axis=1)


def _mirrored(points: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Return points (n, 2 or more) with x counted from the right edge of the image."""
    return np.column_stack([width - points[:, 0], points[:, 1:]])
