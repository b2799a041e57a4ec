"""Body of a puppet: bone lengths from tall to chibi, and joints from bone directions.

All characters with the same motion have the same bone directions and differ only in lengths. So
TCAN's retargeting reproduces the ground truth exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from media.poses.joints import NUM_JOINTS, Joint
from media.poses.keypoints import Pose

# (parent, child) in the order in which joints are placed, starting from the neck.
BONES: tuple[tuple[Joint, Joint], ...] = (
    (Joint.NECK, Joint.NOSE),
    (Joint.NECK, Joint.RIGHT_SHOULDER),
    (Joint.NECK, Joint.LEFT_SHOULDER),
    (Joint.NECK, Joint.RIGHT_HIP),
    (Joint.NECK, Joint.LEFT_HIP),
    (Joint.NOSE, Joint.RIGHT_EYE),
    (Joint.NOSE, Joint.LEFT_EYE),
    (Joint.RIGHT_EYE, Joint.RIGHT_EAR),
    (Joint.LEFT_EYE, Joint.LEFT_EAR),
    (Joint.RIGHT_SHOULDER, Joint.RIGHT_ELBOW),
    (Joint.LEFT_SHOULDER, Joint.LEFT_ELBOW),
    (Joint.RIGHT_HIP, Joint.RIGHT_KNEE),
    (Joint.LEFT_HIP, Joint.LEFT_KNEE),
    (Joint.RIGHT_ELBOW, Joint.RIGHT_WRIST),
    (Joint.LEFT_ELBOW, Joint.LEFT_WRIST),
    (Joint.RIGHT_KNEE, Joint.RIGHT_ANKLE),
    (Joint.LEFT_KNEE, Joint.LEFT_ANKLE),
)
NUM_BONES = len(BONES)

# Lengths in units of nose-neck, at both ends of the range: (tall, chibi).
_SHOULDER = (0.85, 0.52)
_TORSO = (2.15, 1.05)
_UPPER_ARM, _LOWER_ARM = (1.3, 0.52), (1.2, 0.5)
_UPPER_LEG, _LOWER_LEG = (1.8, 0.48), (1.75, 0.46)
_EYE, _EAR = (0.36, 0.38), (0.40, 0.50)
_HEAD_ABOVE_NOSE = 0.85


@dataclass(frozen=True)
class Body:
    """Bone lengths and widths of one character, as fractions of the canvas height.

    Attributes:
        lengths: (17,) length of each bone of `BONES`.
        limb_width: width of arms and legs.
        chibi: 0 (tall) .. 1 (chibi).
        height: distance from the sole to the top of the head, standing straight.
    """

    lengths: NDArray[np.float64]
    limb_width: float
    chibi: float
    height: float

    @property
    def nose_neck(self) -> float:
        """Length between nose and neck, the unit of motions."""
        return float(self.lengths[0])

    @property
    def head_radius(self) -> float:
        """Half of the head's width."""
        return float(0.72 * self.lengths[5] + self.lengths[7])

    @property
    def below_neck(self) -> float:
        """Length from the neck to the ankle, standing straight."""
        return float(0.97 * self.lengths[3] + self.lengths[11] + self.lengths[15])


def sample_body(rng: np.random.Generator, chibi: float | None = None) -> Body:
    """Sample a body; `chibi` sets its proportions between tall (0) and chibi (1)."""
    chibi = float(rng.uniform()) if chibi is None else chibi
    height = float(rng.uniform(0.66, 0.84))

    def length(ends: tuple[float, float]) -> float:
        return (ends[0] + (ends[1] - ends[0]) * chibi) * float(rng.uniform(0.9, 1.1))

    shoulder, torso, eye, ear = length(_SHOULDER), length(_TORSO), length(_EYE), length(_EAR)
    arm = (length(_UPPER_ARM), length(_LOWER_ARM))
    leg = (length(_UPPER_LEG), length(_LOWER_LEG))
    relative = np.array(
        [1.0, *[shoulder] * 2, *[torso] * 2, *[eye] * 2, *[ear] * 2]
        + [arm[0]] * 2 + [leg[0]] * 2 + [arm[1]] * 2 + [leg[1]] * 2
    )  # fmt: skip
    unit = height / (1 + _HEAD_ABOVE_NOSE + 0.97 * torso + sum(leg) + 0.2)
    width = float(rng.uniform(0.42, 0.62)) * (0.85 + 0.15 * chibi)
    return Body(relative * unit, width * unit, chibi, height)


def place_joints(
    body: Body,
    neck: NDArray[np.float64],
    directions: NDArray[np.float64],
    foreshortening: NDArray[np.float64],
    size: int,
) -> Pose:
    """Place the joints along the bones, from the neck outwards.

    Args:
        neck: (2,) x, y as fractions of the canvas.
        directions: (17,) radians; 0 points down, a quarter turn to the right of the image.
        foreshortening: (17,) 0..1, drawn length over true length.
        size: side of the square canvas in pixels.

    Returns:
        The pose with every joint detected.
    """
    keypoints = np.zeros((NUM_JOINTS, 2))
    keypoints[Joint.NECK] = neck
    offsets = (body.lengths * foreshortening)[:, None] * np.stack(
        [np.sin(directions), np.cos(directions)], axis=1
    )
    for (parent, child), offset in zip(BONES, offsets, strict=True):
        keypoints[child] = keypoints[parent] + offset
    return Pose(keypoints * size, np.ones(NUM_JOINTS), (size, size))
