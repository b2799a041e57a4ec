"""Injection of detector-like errors into true poses, to measure their effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from media.poses.joints import NUM_JOINTS
from media.poses.keypoints import Pose
from tcan_core.errors import ParameterError


@dataclass(frozen=True)
class PoseErrors:
    """Rates of pose errors, drawn independently for each joint of each frame.

    Attributes:
        drop: fraction of joints that are not detected, 0..1.
        throw: fraction of joints that are moved to a random place in the frame with unchanged
            confidence, 0..1.

    Raises:
        ParameterError: a rate is outside 0..1, or their sum is above 1.
    """

    drop: float = 0.0
    throw: float = 0.0

    def __post_init__(self) -> None:
        if not (self.drop >= 0 and self.throw >= 0 and self.drop + self.throw <= 1):
            raise ParameterError(
                f"drop is {self.drop} and throw is {self.throw};"
                " both must be at least 0 and their sum at most 1"
            )

    def __bool__(self) -> bool:
        """Return whether any error is injected."""
        return self.drop > 0 or self.throw > 0


def with_errors(poses: Sequence[Pose], errors: PoseErrors, seed: int) -> list[Pose]:
    """Return the poses with errors in their body joints; hands and faces are unchanged.

    Args:
        seed: seed that selects the joints and their random places.
    """
    random = np.random.default_rng([seed, 0xE44])  # independent of the noise with the same seed
    damaged = []
    for pose in poses:
        drawn = random.random(NUM_JOINTS)  # nosec B311
        anywhere = random.random((NUM_JOINTS, 2)) * pose.canvas[::-1]  # nosec B311
        dropped, kept = drawn < errors.drop, drawn >= errors.drop + errors.throw
        points = np.where((dropped | kept)[:, None], pose.keypoints, anywhere)
        confidence = np.where(dropped, 0.0, pose.confidence)
        damaged.append(replace(pose, keypoints=points, confidence=confidence))
    return damaged
