"""Draw poses as the coloured skeletons that the SD 1.5 OpenPose ControlNet was trained on.

The training maps were drawn on a canvas of 512 pixels with limbs 8 pixels wide (at 60 % brightness)
under joints of radius 4. Other canvases scale these sizes by their shorter side, down to limbs that
are 2 pixels wide; small canvases are drawn four times larger and averaged down, so that a joint
between two pixels shows in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import atan2, degrees, hypot

import cv2
import numpy as np
from numpy.typing import NDArray

from tcan_core.conditioning.keypoints import LIMBS, NUM_JOINTS, Pose

TRAINING_SIDE = 512
STICK_HALF_WIDTH = 4.0
LIMB_BRIGHTNESS = 0.6
MIN_HALF_WIDTH = 1.0
SUPERSAMPLED_BELOW = 256
SUPERSAMPLING = 4
_SHIFT = 4  # fractional bits of cv2's drawing coordinates

# RGB; limb i and joint i take colour i.
COLORS: tuple[tuple[int, int, int], ...] = (
    (255, 0, 0),
    (255, 85, 0),
    (255, 170, 0),
    (255, 255, 0),
    (170, 255, 0),
    (85, 255, 0),
    (0, 255, 0),
    (0, 255, 85),
    (0, 255, 170),
    (0, 255, 255),
    (0, 170, 255),
    (0, 85, 255),
    (0, 0, 255),
    (85, 0, 255),
    (170, 0, 255),
    (255, 0, 255),
    (255, 0, 170),
    (255, 0, 85),
)
HAND_COLOR = (0, 0, 255)

Map = NDArray[np.uint8]


def draw_pose(pose: Pose, canvas: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Draw one skeleton on black.

    Args:
        pose: joints with confidence 0 are left out, with every limb that ends in them.
        canvas: (height, width) of the map, to which the pose is scaled; by default its own canvas.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    height, width = canvas or pose.canvas
    zoom = SUPERSAMPLING if min(height, width) < SUPERSAMPLED_BELOW else 1
    half_width = zoom * max(MIN_HALF_WIDTH, STICK_HALF_WIDTH * min(height, width) / TRAINING_SIDE)
    scale = np.array([width / pose.canvas[1], height / pose.canvas[0]]) * zoom
    skeleton = np.zeros((height * zoom, width * zoom, 3), np.uint8)
    _draw_limbs(skeleton, pose, scale, half_width)
    _draw_joints(skeleton, pose, scale, half_width)
    for hand in (pose.hand_left, pose.hand_right):
        if hand is not None:
            _draw_points(skeleton, hand, scale, half_width / 2)
    if zoom == 1:
        return skeleton
    return np.asarray(cv2.resize(skeleton, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def draw_poses(poses: Sequence[Pose], canvas: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Draw a video of skeletons, (frames, height, width, 3) uint8 RGB; see `draw_pose`."""
    return np.stack([draw_pose(pose, canvas) for pose in poses])


def draw_people(people: Sequence[Pose], canvas: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw everybody of a frame, (height, width, 3) uint8 RGB; later people cover earlier ones."""
    together = np.zeros((*canvas, 3), np.uint8)
    for pose in people:
        drawn = draw_pose(pose, canvas)
        together = np.where(drawn.any(axis=2, keepdims=True), drawn, together)
    return together


def _draw_limbs(skeleton: Map, pose: Pose, scale: NDArray[np.float64], half_width: float) -> None:
    points = pose.keypoints * scale
    for (start, end), color in zip(LIMBS, COLORS, strict=False):
        if pose.detected[start] and pose.detected[end]:
            dim = tuple(int(LIMB_BRIGHTNESS * channel) for channel in color)
            cv2.fillConvexPoly(skeleton, _limb_polygon(points[start], points[end], half_width), dim)


def _limb_polygon(
    start: NDArray[np.float64], end: NDArray[np.float64], half_width: float
) -> NDArray[np.int32]:
    """Return the ellipse around a limb as a polygon of whole pixels."""
    centre = (start + end) / 2
    along = end - start
    axes = (max(int(hypot(*along) / 2), 1), max(int(half_width), 1))
    polygon = cv2.ellipse2Poly(
        (int(centre[0]), int(centre[1])), axes, int(degrees(atan2(along[1], along[0]))), 0, 360, 1
    )
    return np.asarray(polygon, np.int32)


def _draw_joints(skeleton: Map, pose: Pose, scale: NDArray[np.float64], radius: float) -> None:
    for joint in range(NUM_JOINTS):
        if pose.detected[joint]:
            _draw_disc(skeleton, pose.keypoints[joint] * scale, radius, COLORS[joint])


def _draw_points(
    skeleton: Map, points: NDArray[np.float64], scale: NDArray[np.float64], radius: float
) -> None:
    for x, y, confidence in points:
        if confidence > 0:
            _draw_disc(skeleton, np.array([x, y]) * scale, radius, HAND_COLOR)


def _draw_disc(
    skeleton: Map, centre: NDArray[np.float64], radius: float, color: tuple[int, int, int]
) -> None:
    # cv2 puts the centre of pixel (0, 0) at the origin, keypoints put it at (0.5, 0.5).
    x, y = np.rint((centre - 0.5) * 2**_SHIFT).astype(int)
    cv2.circle(
        skeleton, (int(x), int(y)), max(int(radius * 2**_SHIFT), 1), color, -1, cv2.LINE_8, _SHIFT
    )
