"""Draw a puppet on its background, with fourfold supersampling.

The drawing order is the same in every frame: back hair, legs, torso, head, arms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from media.poses.joints import Joint
from media.poses.keypoints import Pose
from tcan_core.puppets.appearance import Appearance, Color, darker
from tcan_core.puppets.body import Body

SUPERSAMPLING = 4
_SHIFT = 4

Point = NDArray[np.float64]
Picture = NDArray[np.uint8]


def draw_puppet(
    background: NDArray[np.uint8], pose: Pose, body: Body, appearance: Appearance
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Draw one frame.

    Args:
        background: (size, size, 3) uint8 RGB.
        pose: joints in pixels of the same size.

    Returns:
        The frame, (size, size, 3) uint8 RGB, and the character's coverage, (size, size), 0..255.
    """
    size = background.shape[0]
    zoomed = size * SUPERSAMPLING
    canvas = np.concatenate([background, np.zeros((size, size, 1), np.uint8)], axis=2)
    brush = _Brush(
        np.asarray(cv2.resize(canvas, (zoomed, zoomed), interpolation=cv2.INTER_NEAREST), np.uint8),
        pose.keypoints * SUPERSAMPLING,
        zoomed,
        body,
        appearance,
    )
    for part in (_back_hair, _legs, _torso, _head, _arms):
        part(brush)
    picture = cv2.resize(brush.canvas, (size, size), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(picture[..., :3]), np.ascontiguousarray(picture[..., 3])


@dataclass(frozen=True)
class _Brush:
    """The enlarged canvas (RGB and coverage) and the character, for drawing its parts."""

    canvas: Picture
    joints: Point
    size: int
    body: Body
    appearance: Appearance

    @property
    def limb(self) -> float:
        return self.body.limb_width * self.size

    @property
    def outline(self) -> float:
        return 0.012 * self.size * (self.appearance.outline > 0)

    def stroke(self, points: Sequence[Point], color: Color, width: float) -> None:
        """Draw a polyline with round ends."""
        path = [np.rint(np.array(points) * 2**_SHIFT).astype(np.int32).reshape(-1, 1, 2)]
        cv2.polylines(
            self.canvas, path, False, (*color, 255), max(round(width), 1), cv2.LINE_8, _SHIFT
        )

    def limb_stroke(self, points: Sequence[Point], color: Color, width: float) -> None:
        if self.outline:
            self.stroke(
                points, darker(color, 0.9 * self.appearance.outline), width + 2 * self.outline
            )
        self.stroke(points, color, width)

    def polygon(self, points: Point | Sequence[Point], color: Color) -> None:
        corners = np.rint(np.array(points) * 2**_SHIFT).astype(np.int32)
        cv2.fillPoly(self.canvas, [corners], (*color, 255), cv2.LINE_8, _SHIFT)

    def ellipse(
        self, centre: Point, axes: tuple[float, float], angle: float, color: Color, arc: float = 360
    ) -> None:
        """Fill an ellipse rotated by `angle` degrees, or its upper sector of `arc` degrees."""
        start = -90 - arc / 2
        x, y, width, height = (int(round(value * 2**_SHIFT)) for value in (*centre, *axes))
        cv2.ellipse(
            self.canvas, (x, y), (max(width, 1), max(height, 1)), angle, start, start + arc,
            (*color, 255), -1, cv2.LINE_8, _SHIFT,
        )  # fmt: skip


def _head_frame(brush: _Brush) -> tuple[Point, float, float]:
    """Return the head's centre, its radius, and its rotation in degrees."""
    nose, neck = brush.joints[Joint.NOSE], brush.joints[Joint.NECK]
    up = (nose - neck) / max(float(np.hypot(*(nose - neck))), 1e-6)
    radius = brush.body.head_radius * brush.size
    return nose + 0.12 * radius * up, radius, float(np.degrees(np.arctan2(up[0], -up[1])))


def _back_hair(brush: _Brush) -> None:
    centre, radius, turn = _head_frame(brush)
    if brush.appearance.hair_style == "long":
        neck = brush.joints[Joint.NECK]
        down = (neck - centre) / max(float(np.hypot(*(neck - centre))), 1e-6)
        brush.stroke([centre, centre + 1.25 * radius * down], brush.appearance.hair, 1.95 * radius)
    elif brush.appearance.hair_style == "bun":
        up = np.array([np.sin(np.radians(turn)), -np.cos(np.radians(turn))])
        brush.ellipse(
            centre + 1.15 * radius * up, (0.5 * radius, 0.45 * radius), turn, brush.appearance.hair
        )


def _legs(brush: _Brush) -> None:
    appearance, width = brush.appearance, 1.1 * brush.limb
    sides = (
        (Joint.LEFT_HIP, Joint.LEFT_KNEE, Joint.LEFT_ANKLE),
        (Joint.RIGHT_HIP, Joint.RIGHT_KNEE, Joint.RIGHT_ANKLE),
    )
    for side in sides:
        hip, knee, ankle = brush.joints[list(side)]
        brush.limb_stroke(
            [hip, knee, ankle],
            appearance.leg_color if appearance.leg_wear == "trousers" else appearance.skin,
            width,
        )
        if appearance.leg_wear == "shorts":
            brush.stroke([hip, hip + 0.75 * (knee - hip)], appearance.leg_color, 1.15 * width)
        out = 0.35 * width * np.sign(side[0] - Joint.RIGHT_HIP or -1)
        toe = ankle + np.array([out, 0.25 * width])
        brush.limb_stroke([ankle, toe], appearance.shoes, 0.95 * width)


def _torso(brush: _Brush) -> None:
    appearance = brush.appearance
    corners = _torso_corners(brush)
    if appearance.leg_wear == "skirt":
        _skirt(brush, corners)
    middle = (corners[2] + corners[3]) / 2
    brush.limb_stroke([corners[3], middle, corners[2]], appearance.leg_color, brush.limb)
    if brush.outline:
        brush.stroke(
            [*corners, corners[0]],
            darker(appearance.shirt, 0.9 * appearance.outline),
            0.7 * brush.limb + 2 * brush.outline,
        )
    brush.polygon(corners, appearance.shirt)
    brush.stroke([*corners, corners[0]], appearance.shirt, 0.7 * brush.limb)
    _draw_pattern(brush, corners)
    neck, nose = brush.joints[Joint.NECK], brush.joints[Joint.NOSE]
    brush.stroke([neck, neck + 0.4 * (nose - neck)], appearance.skin, 0.8 * brush.limb)


def _torso_corners(brush: _Brush) -> Point:
    """Return right shoulder, left shoulder, left hip, right hip, moved inwards a little."""
    names = [Joint.RIGHT_SHOULDER, Joint.LEFT_SHOULDER, Joint.LEFT_HIP, Joint.RIGHT_HIP]
    corners = brush.joints[names]
    return np.asarray(corners + 0.08 * (corners.mean(axis=0) - corners))


def _skirt(brush: _Brush, corners: Point) -> None:
    knees = brush.joints[[Joint.LEFT_KNEE, Joint.RIGHT_KNEE]]
    hips = corners[2:]
    hem = hips + 0.7 * (knees - hips) + np.array([[0.5], [-0.5]]) * np.array([brush.limb, 0.0])
    outline = [corners[2], hem[0], hem[1], corners[3]]
    brush.polygon(outline, brush.appearance.leg_color)
    brush.stroke(outline, brush.appearance.leg_color, 0.6 * brush.limb)


def _draw_pattern(brush: _Brush, corners: Point) -> None:
    appearance, count = brush.appearance, brush.appearance.pattern_count
    right_top, left_top, left_low, right_low = corners
    height = float(np.hypot(*(right_low - right_top)))
    steps = (np.arange(count) + 0.7) / (count + 0.2)
    if appearance.pattern == "stripes":
        for at in steps:
            ends = [right_top + at * (right_low - right_top), left_top + at * (left_low - left_top)]
            brush.stroke(ends, appearance.pattern_color, 0.32 * height / count)
    elif appearance.pattern == "bars":
        for at in steps:
            ends = [
                right_top + at * (left_top - right_top),
                right_low + at * (left_low - right_low),
            ]
            brush.stroke(ends, appearance.pattern_color, 0.25 * height / count)
    elif appearance.pattern == "dots":
        for row in steps:
            for column in (0.25, 0.75):
                top = right_top + column * (left_top - right_top)
                low = right_low + column * (left_low - right_low)
                brush.ellipse(
                    top + row * (low - top),
                    (0.09 * height, 0.09 * height),
                    0,
                    appearance.pattern_color,
                )
    elif appearance.pattern == "emblem":
        brush.ellipse(
            corners.mean(axis=0) - 0.1 * height,
            (0.24 * height, 0.24 * height),
            0,
            appearance.pattern_color,
        )
    elif appearance.pattern == "halves":
        brush.polygon(
            [(right_top + left_top) / 2, left_top, left_low, (left_low + right_low) / 2],
            appearance.pattern_color,
        )


def _head(brush: _Brush) -> None:
    appearance = brush.appearance
    centre, radius, turn = _head_frame(brush)
    if brush.outline:
        edge = radius + brush.outline
        brush.ellipse(
            centre, (edge, 1.12 * edge), turn, darker(appearance.skin, 0.9 * appearance.outline)
        )
    brush.ellipse(centre, (radius, 1.1 * radius), turn, appearance.skin)
    up = np.array([np.sin(np.radians(turn)), -np.cos(np.radians(turn))])
    _front_hair(brush, centre, radius, turn, up)
    nose = brush.joints[Joint.NOSE]
    for eye in brush.joints[[Joint.RIGHT_EYE, Joint.LEFT_EYE]]:
        brush.ellipse(
            0.75 * eye + 0.25 * nose, (0.15 * radius, 0.2 * radius), turn, appearance.eyes
        )
    across = np.array([-up[1], up[0]])
    mouth = nose - 0.42 * radius * up
    brush.stroke(
        [mouth - 0.22 * radius * across, mouth + 0.22 * radius * across],
        darker(appearance.skin, 0.45),
        0.12 * radius,
    )


def _front_hair(brush: _Brush, centre: Point, radius: float, turn: float, up: Point) -> None:
    appearance = brush.appearance
    if appearance.hair_style == "bald":
        return
    arc = {"short": 190.0, "long": 215.0, "bun": 185.0, "spiky": 170.0, "cap": 150.0}[
        appearance.hair_style
    ]
    brush.ellipse(
        centre + 0.06 * radius * up, (1.06 * radius, 1.16 * radius), turn, appearance.hair, arc
    )
    brush.ellipse(
        centre - 0.22 * radius * up, (0.82 * radius, 0.78 * radius), turn, appearance.skin, 200
    )
    across = np.array([-up[1], up[0]])
    if appearance.hair_style == "spiky":
        for at in (-0.7, 0.0, 0.7):
            root = centre + radius * (0.8 * up + at * across)
            sides = [
                root - 0.35 * radius * across,
                root + 0.65 * radius * up,
                root + 0.35 * radius * across,
            ]
            brush.polygon(sides, appearance.hair)
    elif appearance.hair_style == "cap":
        brim = centre + 0.45 * radius * up
        brush.stroke(
            [brim - 1.1 * radius * across, brim + 1.1 * radius * across],
            darker(appearance.hair, 0.3),
            0.25 * radius,
        )


def _arms(brush: _Brush) -> None:
    appearance, width = brush.appearance, 0.9 * brush.limb
    sides = (
        (Joint.LEFT_SHOULDER, Joint.LEFT_ELBOW, Joint.LEFT_WRIST),
        (Joint.RIGHT_SHOULDER, Joint.RIGHT_ELBOW, Joint.RIGHT_WRIST),
    )
    for side in sides:
        shoulder, elbow, wrist = brush.joints[list(side)]
        brush.limb_stroke([shoulder, elbow, wrist], appearance.skin, width)
        sleeve = [shoulder, shoulder + min(appearance.sleeve, 1) * (elbow - shoulder)]
        if appearance.sleeve > 1:
            sleeve.append(elbow + (appearance.sleeve - 1) * 0.85 * (wrist - elbow))
        if appearance.sleeve > 0:
            brush.stroke(sleeve, darker(appearance.shirt, 0.12), 1.1 * width)
        brush.ellipse(wrist, (0.62 * width, 0.62 * width), 0, appearance.skin)
