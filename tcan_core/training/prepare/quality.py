"""Quality criteria for training clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from media.poses.keypoints import Pose
from tcan_core.conditioning.bones import stack_points
from tcan_core.conditioning.cleaning.size import body_heights, typical_height
from tcan_core.errors import ParameterError

MAX_CROWDED = 0.1  # fraction of frames with too many people


@dataclass(frozen=True)
class QualitySettings:
    """Criteria for clips to keep.

    Attributes:
        min_frames: minimum length; a clip of stage 2 has 16 target frames and a source.
        min_joints: minimum mean fraction of the 18 joints that are detected, 0..1.
        max_rejected: maximum fraction of detections rejected as implausible jumps, 0..1.
        min_height: minimum height of the person as a fraction of the image's shorter side.
        min_motion: minimum mean speed of the joints in body heights per second.
        max_people: maximum number of people per frame; a clip is dropped if more than a tenth of
            its frames exceed it.

    Raises:
        ParameterError: a value is out of its range.
    """

    min_frames: int = 17
    min_joints: float = 0.7
    max_rejected: float = 0.05
    min_height: float = 0.3
    min_motion: float = 0.02
    max_people: int = 1

    def __post_init__(self) -> None:
        for name in ("min_joints", "max_rejected", "min_height"):
            if not 0 <= getattr(self, name) <= 1:
                raise ParameterError(f"{name} is {getattr(self, name)}; it must be in 0..1")
        if self.min_frames < 2 or self.max_people < 1 or self.min_motion < 0:
            raise ParameterError(
                f"min_frames is {self.min_frames}, max_people {self.max_people}, min_motion "
                f"{self.min_motion}; they must be at least 2, 1 and 0"
            )


@dataclass(frozen=True)
class ClipQuality:
    """Measured quality of a clip; see `QualitySettings`.

    Attributes:
        crowded: fraction of frames with more than the allowed number of people.
    """

    frames: int
    joints: float
    rejected: float
    height: float
    motion: float
    crowded: float

    def reasons(self, settings: QualitySettings) -> list[str]:
        """Return the reasons to drop the clip, each as "kind: numbers"; empty to keep it."""
        checks = {
            f"too short: {self.frames} frames, under {settings.min_frames}": (
                self.frames < settings.min_frames
            ),
            f"joints missing: {self.joints:.0%} detected, under {settings.min_joints:.0%}": (
                self.joints < settings.min_joints
            ),
            f"joints jump: {self.rejected:.1%}, over {settings.max_rejected:.1%}": (
                self.rejected > settings.max_rejected
            ),
            f"too small: {self.height:.0%} of the side, under {settings.min_height:.0%}": (
                self.height < settings.min_height
            ),
            f"too still: {self.motion:.3f} heights/s, under {settings.min_motion:g}": (
                self.motion < settings.min_motion
            ),
            f"crowded: over {settings.max_people} people in {self.crowded:.0%} of frames": (
                self.crowded > MAX_CROWDED
            ),
        }
        return [reason for reason, holds in checks.items() if holds]


def measure_clip(
    poses: Sequence[Pose], people: Sequence[int], rejected: int, fps: float, max_people: int
) -> ClipQuality:
    """Measure a clip of one person.

    Args:
        poses: cleaned poses, one per frame.
        people: number of people detected in each frame.
        rejected: number of joint detections rejected by cleaning.
        max_people: maximum number of people per frame.
    """
    points = stack_points(poses)
    detected = ~np.isnan(points[..., 0])
    height = typical_height(points)
    side = min(poses[0].canvas)
    speeds = np.linalg.norm(np.diff(points, axis=0), axis=-1)
    mean_speed = float(np.nanmean(speeds)) if np.isfinite(speeds).any() else 0.0
    heights = body_heights(points)
    return ClipQuality(
        frames=len(poses),
        joints=float(detected.mean()),
        rejected=rejected / max(int(detected.sum()) + rejected, 1),
        height=height / side if np.isfinite(heights).any() else 0.0,
        motion=mean_speed * fps / height,
        crowded=float(np.mean([count > max_people for count in people])),
    )
