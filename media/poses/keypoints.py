"""OpenPose-18 keypoints of one person in one frame.

Keypoints are (x, y) in pixels of their canvas, x to the right, y down; the centre of the top left
pixel is (0.5, 0.5). Confidence is 0..1; 0 means "not detected", and such a joint's coordinates have
no meaning. Left and right are the person's own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from media.poses.joints import NUM_JOINTS


@dataclass(frozen=True)
class Pose:
    """One person in one frame.

    Attributes:
        keypoints: (18, 2) float, pixels of `canvas`.
        confidence: (18,) float, 0..1; 0 is "not detected".
        canvas: (height, width) of the image in pixels.
        hand_left: (21, 3) x, y, confidence, or None.
        hand_right: (21, 3) x, y, confidence, or None.
        face: (70, 3) x, y, confidence, or None.
        appearance: (64,) histogram of the torso's colours, or None; not written to pose files.

    Raises:
        ValueError: an array has the wrong shape, a confidence is outside 0..1, or a detected joint
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
            low, high = confidence.min(), confidence.max()
            raise ValueError(f"confidence is {low}..{high}; it must lie in 0..1")
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
