"""Agreement of the driving poses with the source pose, before anything is rendered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from media.poses.joints import Joint
from media.poses.keypoints import Pose
from tcan_core.conditioning.bones import Bools, Floats, stack_points
from tcan_core.conditioning.cleaning.size import typical_height

LOW = 0.5  # a lower agreement causes a warning
_LEGS = [Joint.RIGHT_KNEE, Joint.RIGHT_ANKLE, Joint.LEFT_KNEE, Joint.LEFT_ANKLE]
# A portrait shows none of these; an elbow at its border may be seen.
_BODY = [Joint.RIGHT_WRIST, Joint.LEFT_WRIST, Joint.RIGHT_HIP, Joint.LEFT_HIP, *_LEGS]
_FAR = 0.5  # of the canvas: at this distance the agreement of position is 0
_OFTEN = 0.5  # share of frames in which a joint must be detected to count as visible


@dataclass(frozen=True)
class Alignment:
    """Agreement of source and driving poses, each part 0 (none) to 1 (full).

    Attributes:
        scale: ratio of the body heights, each relative to its canvas.
        position: 1 when the centres of both bodies are at the same relative position, falling
            linearly to 0 at a distance of half a canvas. The first driving pose counts.
        visibility: intersection over union of the visible joints.
        missing_part: a sentence if one shows head and shoulders only, the other the whole body.
    """

    scale: float
    position: float
    visibility: float
    missing_part: str = ""

    @property
    def score(self) -> float:
        """The geometric mean, which is 0 when one part is 0."""
        return float((self.scale * self.position * self.visibility) ** (1 / 3))

    def as_json(self) -> dict[str, float]:
        """Return score and parts, rounded."""
        parts = {"scale": self.scale, "position": self.position, "visibility": self.visibility}
        return {name: round(value, 3) for name, value in ({"score": self.score} | parts).items()}

    def warnings(self, retargeted: bool = True) -> list[str]:
        """Return warnings for the user, one sentence each.

        Args:
            retargeted: whether the driving poses will be retargeted to the source's body.
        """
        suffix = "" if retargeted else ", and is not corrected without retargeting"
        sentences = {
            "scale": "the driving person has another size in its frame than the source",
            "position": "the driving person has another position in its frame than the source",
            "visibility": "the driving person shows other joints than the source",
        }
        if self.missing_part:
            del sentences["visibility"]
        return [
            f"{sentence}{suffix if name != 'visibility' else ''}"
            f" (agreement {getattr(self, name):.2f} of 1)"
            for name, sentence in sentences.items()
            if getattr(self, name) < LOW
        ] + [self.missing_part] * bool(self.missing_part)


def align(source: Pose, driving: Sequence[Pose]) -> Alignment | None:
    """Compare a source with its driving poses; None when either has no person."""
    present = [pose for pose in driving if pose.detected.any()]
    if not source.detected.any() or not present:
        return None
    visible = np.mean([pose.detected for pose in present], axis=0) >= _OFTEN
    sizes = _size([source]), _size(present)
    apart = float(np.linalg.norm(_middle(source) - _middle(present[0])))
    return Alignment(
        scale=min(sizes) / max(sizes),
        position=max(0.0, 1.0 - apart / _FAR),
        visibility=_jaccard(source.detected, visible),
        missing_part=_missing_part(source.detected, visible),
    )


def _missing_part(source: Bools, driving: Bools) -> str:
    """Return a sentence if one of two, (18,) visible joints, is a portrait, the other a body."""
    if not source[_BODY].any() and driving[_LEGS].any():
        return (
            "the image shows only head and shoulders, the driving person the whole body, whose"
            " motion the result cannot show; use an image of the whole body, or a video of a head"
        )
    if source[_LEGS].any() and not driving[_BODY].any():
        return (
            "the driving person shows only head and shoulders, the image the whole body, whose"
            " motion the result would invent; use a video of the whole body, or an image of a head"
        )
    return ""


def _size(poses: Sequence[Pose]) -> float:
    return typical_height(stack_points(poses)) / poses[0].canvas[0]


def _middle(pose: Pose) -> Floats:
    """Return the median of the detected joints, (2,) relative to width and height."""
    height, width = pose.canvas
    middle = np.median(pose.keypoints[pose.detected], axis=0)
    return np.asarray(middle / [width, height], np.float64)


def _jaccard(one: Bools, other: Bools) -> float:
    return float((one & other).sum() / max((one | other).sum(), 1))
