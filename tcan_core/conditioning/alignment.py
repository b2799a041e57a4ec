"""How well a driver's body fits the source's picture, before anything is rendered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from media.poses.keypoints import Pose
from tcan_core.conditioning.bones import Bools, Floats
from tcan_core.conditioning.cleaning.size import typical_height

LOW = 0.5  # an agreement below is worth a warning
_FAR = 0.5  # of the canvas: bodies this far apart agree in nothing
_OFTEN = 0.5  # of the frames in which a joint must be seen to count as shown


@dataclass(frozen=True)
class Alignment:
    """Agreement of source and driver, each 0 (none) to 1 (full).

    Attributes:
        scale: smaller body height over larger one, each as a part of its canvas's height.
        position: 1 where the middles of both bodies lie at the same place of their canvases,
            falling evenly to 0 at half a canvas apart. The driver's is that of its first frames.
        visibility: joints that both show over joints that either shows.
    """

    scale: float
    position: float
    visibility: float

    @property
    def score(self) -> float:
        """The geometric mean: one thing that does not agree at all is not made up for."""
        return float((self.scale * self.position * self.visibility) ** (1 / 3))

    def as_json(self) -> dict[str, float]:
        """Return score and parts, rounded."""
        parts = {"scale": self.scale, "position": self.position, "visibility": self.visibility}
        return {name: round(value, 3) for name, value in ({"score": self.score} | parts).items()}

    def warnings(self, retargeted: bool = True) -> list[str]:
        """Return what a user should know, one sentence each.

        Args:
            retargeted: whether the driver will be brought to the source's size and place.
        """
        stays = "" if retargeted else ", and stays so without retargeting"
        told = {
            "scale": "the driver's body is of another size in its frame than the source's",
            "position": "the driver stands elsewhere in its frame than the source",
            "visibility": "the driver shows other joints than the source",
        }
        return [
            f"{sentence}{stays if name != 'visibility' else ''}"
            f" (agreement {getattr(self, name):.2f} of 1)"
            for name, sentence in told.items()
            if getattr(self, name) < LOW
        ]


def align(source: Pose, driving: Sequence[Pose]) -> Alignment | None:
    """Compare a source with its driver; None where either shows nobody."""
    shown = [pose for pose in driving if pose.detected.any()]
    if not source.detected.any() or not shown:
        return None
    seen = np.mean([pose.detected for pose in shown], axis=0) >= _OFTEN
    sizes = _size([source]), _size(shown)
    apart = float(np.linalg.norm(_middle(source) - _middle(shown[0])))
    return Alignment(
        scale=min(sizes) / max(sizes),
        position=max(0.0, 1.0 - apart / _FAR),
        visibility=_jaccard(source.detected, seen),
    )


def _size(poses: Sequence[Pose]) -> float:
    points = [np.where(pose.detected[:, None], pose.keypoints, np.nan) for pose in poses]
    return typical_height(np.stack(points)) / poses[0].canvas[0]


def _middle(pose: Pose) -> Floats:
    """Return the median of the joints that are seen, (2,) in parts of width and height."""
    height, width = pose.canvas
    middle = np.median(pose.keypoints[pose.detected], axis=0)
    return np.asarray(middle / [width, height], np.float64)


def _jaccard(one: Bools, other: Bools) -> float:
    return float((one & other).sum() / max((one | other).sum(), 1))
