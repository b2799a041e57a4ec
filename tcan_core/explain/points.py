"""Points of the picture at which attention over time is shown, and joints that are followed.

All positions are (x, y) as fractions of the caller's picture, 0..1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from media.poses.joints import Joint
from media.poses.keypoints import Pose
from tcan_core.conditioning.temperature_map import temperature_map
from tcan_core.errors import ParameterError

FOLLOWED = (Joint.NOSE, Joint.RIGHT_WRIST, Joint.LEFT_WRIST, Joint.RIGHT_ANKLE, Joint.LEFT_ANKLE)
MAX_FOLLOWED = 3


@dataclass(frozen=True)
class Point:
    """A fixed point of the picture, with a label of a few words."""

    label: str
    x: float
    y: float


@dataclass(frozen=True)
class Track:
    """A point that moves: a joint of the person.

    Attributes:
        positions: (frames, 2); not a number in frames without it.
    """

    label: str
    positions: NDArray[np.float64]


def parse_points(texts: Sequence[str]) -> list[Point]:
    """Return points from texts such as `0.5,0.3`.

    Raises:
        ParameterError: a text is not two fractions, 0..1.
    """
    points = []
    for text in texts:
        try:
            x, y = (float(part) for part in text.split(","))
        except ValueError:
            x = y = -1.0
        if not (0 <= x <= 1 and 0 <= y <= 1):
            raise ParameterError(
                f"point is {text!r}; it must be X,Y as fractions of the picture, such as 0.5,0.3"
            )
        points.append(Point(f"({x:g}, {y:g})", x, y))
    return points


def choose_points(skeletons: NDArray[np.uint8]) -> list[Point]:
    """Return points of the person and of the background in one window.

    Args:
        skeletons: (frames, height, width, 3), the drawn poses without padding.

    Returns:
        On the person, where most frames have a skeleton, and where fewest have one; in the
        background, not far from the person and farthest from it. Only the corner and the centre if
        all pixels are covered, or none.
    """
    drawn = skeletons.any(axis=-1)
    count = drawn.sum(0)
    if not count.any() or count.all():
        return [Point("Centre", 0.5, 0.5), Point("Corner", 0.02, 0.02)]
    distance = temperature_map(skeletons, tau=1.0) - 1
    body = int(count.argmax())
    from_body = np.hypot(*(np.indices(count.shape) - _yx(body, count)[:, None, None]))
    rarity = from_body - count * np.hypot(*count.shape)
    limb = int(np.where(count > 0, rarity, -np.inf).argmax())
    far = int(distance.argmax())
    near = int(np.abs(distance - distance.max() / 4).argmin())
    chosen = {"Body": body, "Passing limb": limb, "Near background": near, "Far background": far}
    return [_point(label, index, count) for label, index in chosen.items()]


def follow_joints(placed: Sequence[Pose]) -> list[Track]:
    """Return the nose and the hands, or other joints in their place, over the frames of poses."""
    tracks = []
    for joint in FOLLOWED:
        found = np.array([pose.detected[joint] for pose in placed])
        places = np.array([pose.keypoints[joint] / pose.canvas[::-1] for pose in placed])
        inside = found & ((places >= 0) & (places < 1)).all(1)
        if inside.any():
            name = joint.name.replace("_", " ").capitalize()
            tracks.append(Track(name, np.where(inside[:, None], places, np.nan)))
    return tracks[:MAX_FOLLOWED]


def _yx(index: int, shape_of: NDArray[np.int_]) -> NDArray[np.int_]:
    return np.array(np.unravel_index(index, shape_of.shape))


def _point(label: str, index: int, shape_of: NDArray[np.int_]) -> Point:
    y, x = (_yx(index, shape_of) + 0.5) / shape_of.shape
    return Point(label, float(x), float(y))
