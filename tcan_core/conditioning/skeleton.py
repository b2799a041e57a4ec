"""Draw poses as the coloured skeletons that the SD 1.5 OpenPose ControlNet was trained on.

The training maps have a canvas of 512 pixels, limbs 8 pixels wide (at 60 % brightness) under joints
of radius 4; hands as 20 edges 2 pixels wide in all hues, under blue joints of radius 4; faces as
white points of radius 3. On other canvases these sizes are scaled by the shorter side; limbs are at
least 2 pixels wide. Small canvases are drawn four times larger and averaged down, so that a joint
between two pixels is visible in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from colorsys import hsv_to_rgb
from math import atan2, degrees, floor, hypot, log2

import cv2
import numpy as np
from numpy.typing import NDArray

from media.poses.joints import LIMBS, NUM_JOINTS
from media.poses.keypoints import Pose
from tcan_core.models.weights.preset_sections import SkeletonStyle

TRAINING_SIDE = 512
STICK_HALF_WIDTH = 4.0
LIMB_BRIGHTNESS = 0.6
MIN_HALF_WIDTH = 1.0
SUPERSAMPLED_BELOW = 256
SUPERSAMPLING = 4
_SHIFT = 4  # fractional bits of cv2's drawing coordinates
_FILL = 0.5  # pixels by which cv2 fills discs beyond their radius when it counts in fractions
# Half the width of a limb by its length: 1 below 5 pixels, 2 below 10, ... 8 from 320 on.
FIRST_DOUBLING, MAX_LIMB_HALF_WIDTH = 2.5, 8
OPENPOSE = SkeletonStyle()
_FAR = 1e6  # pixels, outside every canvas

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
# Joints of a hand: the wrist, then four per finger, from the thumb on. Edge i has hue i / 20.
HAND_EDGES: tuple[tuple[int, int], ...] = tuple(
    (0 if place == 0 else finger + place, finger + place + 1)
    for finger in range(0, 20, 4)
    for place in range(4)
)
HAND_COLOR = (0, 0, 255)
FACE_COLOR = (255, 255, 255)

Map = NDArray[np.uint8]


def draw_pose(
    pose: Pose, canvas: tuple[int, int] | None = None, style: SkeletonStyle = OPENPOSE
) -> NDArray[np.uint8]:
    """Draw one skeleton on black.

    Args:
        pose: joints with confidence 0 and their limbs are not drawn.
        canvas: (height, width) of the map, to which the pose is scaled; by default its own canvas.
        style: the preset's.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    height, width = canvas or pose.canvas
    zoom = SUPERSAMPLING if min(height, width) < SUPERSAMPLED_BELOW else 1
    half_width = zoom * max(MIN_HALF_WIDTH, STICK_HALF_WIDTH * min(height, width) / TRAINING_SIDE)
    scale = np.array([width / pose.canvas[1], height / pose.canvas[0]]) * zoom
    skeleton = np.zeros((height * zoom, width * zoom, 3), np.uint8)
    unit = zoom * min(height, width) / TRAINING_SIDE if style.limb_width == "length" else None
    _draw_limbs(skeleton, pose, scale, half_width, unit)
    _draw_joints(skeleton, pose, scale, half_width)
    for hand in (pose.hand_left, pose.hand_right):
        if hand is not None and style.hands:
            _draw_hand(skeleton, hand, scale, half_width)
    if pose.face is not None and style.face:
        _draw_points(skeleton, pose.face, scale, 0.75 * half_width, FACE_COLOR)
    if style.swap_channels:
        skeleton = np.ascontiguousarray(skeleton[..., ::-1])
    if zoom == 1:
        return skeleton
    return np.asarray(cv2.resize(skeleton, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def draw_poses(poses: Sequence[Pose], canvas: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Draw a video of skeletons, (frames, height, width, 3) uint8 RGB; see `draw_pose`."""
    return np.stack([draw_pose(pose, canvas) for pose in poses])


def draw_people(people: Sequence[Pose], canvas: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw all people of a frame, (height, width, 3) uint8 RGB; later ones cover earlier ones."""
    combined = np.zeros((*canvas, 3), np.uint8)
    for pose in people:
        drawn = draw_pose(pose, canvas)
        combined = np.where(drawn.any(axis=2, keepdims=True), drawn, combined)
    return combined


def _draw_limbs(
    skeleton: Map, pose: Pose, scale: NDArray[np.float64], half_width: float, unit: float | None
) -> None:
    """Draw the limbs.

    Args:
        half_width: in pixels.
        unit: pixels per pixel of a training map, for widths by length; None draws `half_width`.
    """
    points = pose.keypoints * scale
    for (start, end), color in zip(LIMBS, COLORS, strict=False):
        if pose.detected[start] and pose.detected[end]:
            dim = tuple(int(LIMB_BRIGHTNESS * channel) for channel in color)
            width = half_width
            if unit is not None:
                width = unit * _half_width_of(hypot(*(points[end] - points[start])) / unit)
            cv2.fillConvexPoly(skeleton, _limb_polygon(points[start], points[end], width), dim)


def _half_width_of(length: float) -> float:
    """Return half the width of a limb by its length, both in pixels of a training map."""
    doublings = floor(log2(max(length / FIRST_DOUBLING, 1)))
    return float(min(1 + doublings, MAX_LIMB_HALF_WIDTH))


def _limb_polygon(
    start: NDArray[np.float64], end: NDArray[np.float64], half_width: float
) -> NDArray[np.int32]:
    """Return the ellipse around a limb as a polygon with integer coordinates."""
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


def hand_colors() -> list[tuple[int, int, int]]:
    """Return the RGB of each of `HAND_EDGES`."""
    count = len(HAND_EDGES)
    hues = [hsv_to_rgb(index / count, 1.0, 1.0) for index in range(count)]
    return [(round(255 * red), round(255 * green), round(255 * blue)) for red, green, blue in hues]


def _draw_hand(
    skeleton: Map, hand: NDArray[np.float64], scale: NDArray[np.float64], half_width: float
) -> None:
    width = max(round(half_width / 2), 1)
    for (start, end), color in zip(HAND_EDGES, hand_colors(), strict=True):
        if hand[start, 2] > 0 and hand[end, 2] > 0:
            inner, outer = (_fixed_point(hand[index, :2] * scale) for index in (start, end))
            cv2.line(skeleton, inner, outer, color, width, cv2.LINE_8, _SHIFT)
    _draw_points(skeleton, hand, scale, half_width, HAND_COLOR)


def _draw_points(
    skeleton: Map,
    points: NDArray[np.float64],
    scale: NDArray[np.float64],
    radius: float,
    color: tuple[int, int, int],
) -> None:
    for x, y, confidence in points:
        if confidence > 0:
            _draw_disc(skeleton, np.array([x, y]) * scale, max(radius - _FILL, 0.5), color)


def _draw_disc(
    skeleton: Map, centre: NDArray[np.float64], radius: float, color: tuple[int, int, int]
) -> None:
    position, width = _fixed_point(centre), max(int(radius * 2**_SHIFT), 1)
    cv2.circle(skeleton, position, width, color, -1, cv2.LINE_8, _SHIFT)


def _fixed_point(point: NDArray[np.float64]) -> tuple[int, int]:
    """Return a point in cv2's fixed-point format with `_SHIFT` fractional bits.

    For cv2 the centre of pixel (0, 0) is the origin, for keypoints it is (0.5, 0.5). Distant points
    are clipped, because cv2 uses 32 bits.
    """
    x, y = np.rint((point - 0.5).clip(-_FAR, _FAR) * 2**_SHIFT).astype(int)
    return int(x), int(y)
