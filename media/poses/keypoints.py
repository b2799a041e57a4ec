"""OpenPose-18 keypoints of one person.

Keypoints are (x, y) in pixels of their canvas, x to the right, y down; the centre of the top left
pixel is (0.5, 0.5). Confidence is 0..1 and 0 means "not detected": such a joint's coordinates carry
no meaning. Left and right are the person's own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Joint(IntEnum):
    """OpenPose's 18 body joints, in the order of its COCO model."""

    NOSE = 0
    NECK = 1
    RIGHT_SHOULDER = 2
    RIGHT_ELBOW = 3
    RIGHT_WRIST = 4
    LEFT_SHOULDER = 5
    LEFT_ELBOW = 6
    LEFT_WRIST = 7
    RIGHT_HIP = 8
    RIGHT_KNEE = 9
    RIGHT_ANKLE = 10
    LEFT_HIP = 11
    LEFT_KNEE = 12
    LEFT_ANKLE = 13
    RIGHT_EYE = 14
    LEFT_EYE = 15
    RIGHT_EAR = 16
    LEFT_EAR = 17


NUM_JOINTS = len(Joint)
NUM_HAND_JOINTS = 21
NUM_FACE_JOINTS = 70

# Limbs in the order in which the OpenPose ControlNet's training maps draw them: a later limb covers
# an earlier one.
LIMBS: tuple[tuple[Joint, Joint], ...] = (
    (Joint.NECK, Joint.RIGHT_SHOULDER),
    (Joint.NECK, Joint.LEFT_SHOULDER),
    (Joint.RIGHT_SHOULDER, Joint.RIGHT_ELBOW),
    (Joint.RIGHT_ELBOW, Joint.RIGHT_WRIST),
    (Joint.LEFT_SHOULDER, Joint.LEFT_ELBOW),
    (Joint.LEFT_ELBOW, Joint.LEFT_WRIST),
    (Joint.NECK, Joint.RIGHT_HIP),
    (Joint.RIGHT_HIP, Joint.RIGHT_KNEE),
    (Joint.RIGHT_KNEE, Joint.RIGHT_ANKLE),
    (Joint.NECK, Joint.LEFT_HIP),
    (Joint.LEFT_HIP, Joint.LEFT_KNEE),
    (Joint.LEFT_KNEE, Joint.LEFT_ANKLE),
    (Joint.NECK, Joint.NOSE),
    (Joint.NOSE, Joint.RIGHT_EYE),
    (Joint.RIGHT_EYE, Joint.RIGHT_EAR),
    (Joint.NOSE, Joint.LEFT_EYE),
    (Joint.LEFT_EYE, Joint.LEFT_EAR),
)


@dataclass(frozen=True)
class Pose:
    """One person in one frame.

    Attributes:
        keypoints: (18, 2) float, pixels of `canvas`.
        confidence: (18,) float, 0..1; 0 is "not detected".
        canvas: (height, width) in pixels of the picture in which the keypoints lie.
        hand_left: (21, 3) x, y, confidence, or None.
        hand_right: (21, 3) x, y, confidence, or None.
        face: (70, 3) x, y, confidence, or None.
        appearance: (64,) histogram of the torso's colours, or None; not written to pose files.

    Raises:
        ValueError: an array has another shape, a confidence lies outside 0..1, or a detected joint
            is not finite.
    """

    keypoints: NDArray[np.float64]
    confidence: NDArray[np.float64]
    canvas: tuple[int, int]
    hand_left: NDArray[np.float64] | None = None
    hand_right: NDArray[np.float64] | None = None
    face: NDArray[np.float64] | None = None
    appearance: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        keypoints = np.asarray(self.keypoints, dtype=np.float64)
        confidence = np.asarray(self.confidence, dtype=np.float64)
        if keypoints.shape != (NUM_JOINTS, 2):
            raise ValueError(
                f"keypoints have shape {keypoints.shape}; they must be ({NUM_JOINTS}, 2)"
            )
        if confidence.shape != (NUM_JOINTS,):
            raise ValueError(f"confidence has shape {confidence.shape}; it must be ({NUM_JOINTS},)")
        if not ((confidence >= 0) & (confidence <= 1)).all():
            raise ValueError(
                f"confidence is {confidence.min()}..{confidence.max()}; it must lie in 0..1"
            )
        if not np.isfinite(keypoints[confidence > 0]).all():
            raise ValueError("a detected joint has a coordinate that is not a finite number")
        object.__setattr__(self, "keypoints", keypoints)
        object.__setattr__(self, "confidence", confidence)

    @property
    def detected(self) -> NDArray[np.bool_]:
        """(18,) whether each joint was detected."""
        return self.confidence > 0

    def with_keypoints(self, keypoints: NDArray[np.float64]) -> Pose:
        """Return the same person with other body keypoints, (18, 2) in pixels."""
        return replace(self, keypoints=keypoints)


def no_pose(canvas: tuple[int, int]) -> Pose:
    """Return the pose of a frame without a person."""
    return Pose(np.zeros((NUM_JOINTS, 2)), np.zeros(NUM_JOINTS), canvas)
