"""Errors put into true poses on purpose, such as detectors make, to measure what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from media.poses.joints import NUM_JOINTS
from media.poses.keypoints import Pose
from tcan_core.errors import ParameterError


@dataclass(frozen=True)
class PoseErrors:
    """How often a joint is wrong, each joint of each frame by itself.

    Attributes:
        drop: the part of the joints that are not detected, 0..1.
        throw: the part that is detected, as surely as before, anywhere in the frame, 0..1.

    Raises:
        ParameterError: a part is outside 0..1, or both together are above 1.
    """

    drop: float = 0.0
    throw: float = 0.0

    def __post_init__(self) -> None:
        if not (self.drop >= 0 and self.throw >= 0 and self.drop + self.throw <= 1):
            raise ParameterError(
                f"drop is {self.drop} and throw is {self.throw};"
                " both must be at least 0 and together at most 1"
            )

    def __bool__(self) -> bool:
        """Whether there are any."""
        return self.drop > 0 or self.throw > 0


def with_errors(poses: Sequence[Pose], errors: PoseErrors, seed: int) -> list[Pose]:
    """Return the poses with errors in their joints; hands and faces stay as they are.

    Args:
        poses: the truth.
        errors: how often joints are wrong.
        seed: which joints, and where they are thrown.
    """
    random = np.random.default_rng([seed, 0xE44])  # not the draws of the noise with this seed
    damaged = []
    for pose in poses:
        drawn = random.random(NUM_JOINTS)  # nosec B311
        anywhere = random.random((NUM_JOINTS, 2)) * pose.canvas[::-1]  # nosec B311
        dropped, kept = drawn < errors.drop, drawn >= errors.drop + errors.throw
        points = np.where((dropped | kept)[:, None], pose.keypoints, anywhere)
        confidence = np.where(dropped, 0.0, pose.confidence)
        damaged.append(replace(pose, keypoints=points, confidence=confidence))
    return damaged
