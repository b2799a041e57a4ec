"""Bodies built from bone lengths and directions, independently of the code under test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from media.poses.joints import Joint
from media.poses.keypoints import Pose

# Each bone: inner joint, outer joint, length of a standing adult in units of nose-neck, direction
# in degrees (0 to the right, 90 down).
TREE: tuple[tuple[Joint, Joint, float, float], ...] = (
    (Joint.NECK, Joint.NOSE, 1.0, -90),
    (Joint.NECK, Joint.RIGHT_SHOULDER, 0.85, 172),
    (Joint.NECK, Joint.LEFT_SHOULDER, 0.85, 8),
    (Joint.NECK, Joint.RIGHT_HIP, 2.2, 103),
    (Joint.NECK, Joint.LEFT_HIP, 2.2, 77),
    (Joint.NOSE, Joint.RIGHT_EYE, 0.35, -135),
    (Joint.NOSE, Joint.LEFT_EYE, 0.35, -45),
    (Joint.RIGHT_EYE, Joint.RIGHT_EAR, 0.4, 170),
    (Joint.LEFT_EYE, Joint.LEFT_EAR, 0.4, 10),
    (Joint.RIGHT_SHOULDER, Joint.RIGHT_ELBOW, 1.3, 100),
    (Joint.LEFT_SHOULDER, Joint.LEFT_ELBOW, 1.3, 80),
    (Joint.RIGHT_ELBOW, Joint.RIGHT_WRIST, 1.2, 95),
    (Joint.LEFT_ELBOW, Joint.LEFT_WRIST, 1.2, 85),
    (Joint.RIGHT_HIP, Joint.RIGHT_KNEE, 1.8, 92),
    (Joint.LEFT_HIP, Joint.LEFT_KNEE, 1.8, 88),
    (Joint.RIGHT_KNEE, Joint.RIGHT_ANKLE, 1.75, 90),
    (Joint.LEFT_KNEE, Joint.LEFT_ANKLE, 1.75, 90),
)
STANDING_LENGTHS = np.array([bone[2] for bone in TREE])
STANDING_DIRECTIONS = np.deg2rad([bone[3] for bone in TREE])
NUM_BONES = len(TREE)
# Index of each bone's counterpart on the other side.
TWINS = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]

Floats = NDArray[np.float64]


def build(
    lengths: Floats,
    directions: Floats,
    neck: Sequence[float] | Floats = (128.0, 80.0),
    canvas: tuple[int, int] = (256, 256),
) -> Pose:
    """Return joints from lengths in pixels (17,) and directions in radians (17,)."""
    points = np.zeros((18, 2))
    points[Joint.NECK] = neck
    for (inner, outer, _, _), length, angle in zip(TREE, lengths, directions, strict=True):
        points[outer] = points[inner] + length * np.array([np.cos(angle), np.sin(angle)])
    return Pose(points, np.ones(18), canvas)


def standing(unit: float = 20.0, **placing: object) -> Pose:
    """Return a standing adult with `unit` pixels from nose to neck."""
    return build(unit * STANDING_LENGTHS, STANDING_DIRECTIONS, **placing)  # type: ignore[arg-type]


def random_lengths(random: np.random.Generator, unit: float = 20.0, least: float = 0.4) -> Floats:
    """Return random bone lengths in pixels, equal on both sides.

    Args:
        least: of the lengths of a standing adult; the most is 2 - `least`.
    """
    lengths = unit * STANDING_LENGTHS * random.uniform(least, 2 - least, NUM_BONES)
    return np.where(np.arange(NUM_BONES) < np.array(TWINS), lengths, lengths[TWINS])


def random_motion(random: np.random.Generator, frames: int) -> tuple[Floats, Floats]:
    """Return random bone directions in radians (frames, 17) and a neck path (frames, 2)."""
    time = np.linspace(0, 2 * np.pi, frames)[:, None]
    swing = random.uniform(-0.9, 0.9, NUM_BONES) * np.sin(time + random.uniform(0, 6, NUM_BONES))
    path = random.uniform(-15, 15, 2) * np.sin(time + random.uniform(0, 6, 2))
    return STANDING_DIRECTIONS + swing, np.array([128.0, 90.0]) + path


def moving(
    random: np.random.Generator, frames: int = 24, lengths: Floats | None = None
) -> list[Pose]:
    """Return poses of a figure that moves all joints smoothly."""
    lengths = random_lengths(random) if lengths is None else lengths
    directions, path = random_motion(random, frames)
    return [build(lengths, angles, neck) for angles, neck in zip(directions, path, strict=True)]


def without(pose: Pose, *joints: int, junk: float = 1e6) -> Pose:
    """Return the pose without some joints, whose coordinates become junk."""
    points, confidence = pose.keypoints.copy(), pose.confidence.copy()
    points[list(joints)], confidence[list(joints)] = junk, 0.0
    return Pose(points, confidence, pose.canvas, pose.hand_left, pose.hand_right, pose.face)


def with_random_gaps(random: np.random.Generator, pose: Pose, part: float) -> Pose:
    """Return the pose without a random share of its joints."""
    return without(pose, *np.flatnonzero(random.random(18) < part), junk=np.nan)
