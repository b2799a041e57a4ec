"""Retarget the motion of the driving poses to the body of the source character.

Bones run from the neck outwards (`bones.PARENTS`). Each keeps its direction in the driving frame
and gets the source's length, times the foreshortening of the driving bone

    clip(length now / length in the first driving frame that has the bone, 0, 1.1).

Left and right bones of the source get the longer of the two lengths, without those that a detector
mistook (`limbs`). The neck starts at the neck of
the source and follows the driving neck, scaled by the ratio of the nose-neck lengths. Hands follow
their wrist and are scaled like the forearm; the face follows the nose and is scaled like the head.

Missing data:

- A joint that is missing in a driving frame is missing in the result (confidence 0). Its children
  are placed from their nearest detected ancestor: the offset between the two, scaled by the
  ratio of the path lengths. A missing neck is estimated from other joints (`root.find_necks`).
- A bone that the source lacks, or that has no length there, gets the length of the other side, else
  the driving length times the motion scale.
- If nose and neck define no scale, the torso does, else the shoulders, else the median of all bones
  of both figures, else the heights of the canvases.
- A hand without its wrist is dropped.

Coordinates of undetected joints are never used.

Source: TCAN, arXiv 2407.09012, pose retargeting; robust where the official code is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from media.poses.joints import NUM_JOINTS, Joint
from media.poses.keypoints import Pose
from tcan_core.conditioning.bones import (
    MIRROR,
    PARENTS,
    Bools,
    Floats,
    bone_lengths,
    first_lengths,
    longest_of_pairs,
)
from tcan_core.conditioning.limbs import mistaken_bones
from tcan_core.conditioning.root import find_necks, reference_frame, source_neck

MAX_STRETCH = 1.1
# Relative to the longest bone of a figure: a shorter bone has no usable length ...
NO_LENGTH = 0.02
# ... and a shorter one is not used for the motion scale.
NO_SCALE = 0.05
_HEAD = [Joint.RIGHT_EYE, Joint.LEFT_EYE, Joint.RIGHT_EAR, Joint.LEFT_EAR]
_FACE_ANCHORS = [Joint.NOSE, *_HEAD, Joint.NECK]


@dataclass(frozen=True)
class _DrivingPerson:
    """Measures of the driving person, in pixels of its own canvas.

    Attributes:
        points: (frames, 18, 2), 0 where not detected.
        seen: (frames, 18).
        necks: (frames, 2), known in every frame.
        first: (18,) each bone's length in the first frame that has it.
        longest: (18,) each bone's largest length.
    """

    points: Floats
    seen: Bools
    necks: Floats
    first: Floats
    longest: Floats


def retarget(source: Pose, driving: Sequence[Pose]) -> list[Pose]:
    """Return the driving motion with the source's body, on the source's canvas.

    Args:
        driving: poses of the driving person, on a canvas of any size.

    Returns:
        One pose per driving pose, with its confidences.
    """
    if not driving:
        return []
    person = _measure(driving)
    lengths = _source_lengths(source)
    scale = motion_scale(lengths, person.first, source.canvas[0] / driving[0].canvas[0])
    lengths, path_lengths = _complete(lengths, person.first, scale)
    start = source_neck(source, person.points, person.seen, person.necks, scale)
    moved = person.necks - person.necks[reference_frame(person.seen)]
    placed = _place(person, start + scale * moved, lengths, path_lengths, scale)
    ratios = _ratios(lengths, person.longest, scale)
    return [
        _result(pose, points, source.canvas, ratios)
        for pose, points in zip(driving, placed, strict=True)
    ]


def motion_scale(source: Floats, driving: Floats, otherwise: float) -> float:
    """Return the scale of the motion, in pixels of the source per pixel of the driving poses.

    Args:
        source: (18,) bone lengths, NaN where unknown.
        driving: (18,) bone lengths, NaN where unknown.
        otherwise: scale to use when no bone defines one.
    """
    usable = ~(_too_short(source, NO_SCALE) | _too_short(driving, NO_SCALE))
    ratios = np.divide(source, driving, out=np.full(NUM_JOINTS, np.nan), where=usable)
    torso = [Joint.RIGHT_HIP, Joint.LEFT_HIP]
    shoulders = [Joint.RIGHT_SHOULDER, Joint.LEFT_SHOULDER]
    for bones in ([Joint.NOSE], torso, shoulders, list(Joint)):
        if usable[bones].any():
            return float(np.nanmedian(ratios[bones]))
    return otherwise


def _measure(driving: Sequence[Pose]) -> _DrivingPerson:
    seen = np.stack([pose.detected for pose in driving])
    points = np.where(seen[..., None], np.stack([pose.keypoints for pose in driving]), 0.0)
    lengths = bone_lengths(points, seen)
    longest = np.fmax.reduce(lengths, axis=0)
    return _DrivingPerson(points, seen, find_necks(points, seen), first_lengths(lengths), longest)


def _source_lengths(source: Pose) -> Floats:
    lengths = bone_lengths(source.keypoints[None], source.detected[None])[0]
    lengths[_too_short(lengths, NO_LENGTH)] = np.nan
    lengths[mistaken_bones(lengths)] = np.nan
    return longest_of_pairs(lengths)


def _too_short(lengths: Floats, fraction: float) -> Bools:
    """Return which bones are unknown or shorter than a fraction of the longest one, (18,)."""
    long_enough: Bools = (lengths > 0) & (lengths >= fraction * np.fmax.reduce(lengths))
    return ~long_enough


def _complete(source: Floats, driving: Floats, scale: float) -> tuple[Floats, Floats]:
    """Fill missing bones of each figure from the other; 0 if both lack a bone and its pair."""
    driving = np.where(np.isnan(driving), driving[MIRROR], driving)
    source = np.where(np.isnan(source), driving * scale, source)
    driving = np.where(np.isnan(driving), source / scale, driving)
    return np.nan_to_num(source), np.nan_to_num(driving)


def _place(
    person: _DrivingPerson, necks: Floats, lengths: Floats, driving_lengths: Floats, scale: float
) -> Floats:
    """Place the joints from the neck outwards, all frames at once; (frames, 18, 2)."""
    frames = len(necks)
    base = {Joint.NECK: (person.necks, necks, np.zeros(frames), np.zeros(frames))}
    placed = np.zeros((frames, NUM_JOINTS, 2))
    placed[:, Joint.NECK] = necks
    for joint, parent in PARENTS.items():
        from_driving, from_placed, path, driving_path = base[parent]
        path, driving_path = path + lengths[joint], driving_path + driving_lengths[joint]
        offset = person.points[:, joint] - from_driving
        factor = _stretch(np.linalg.norm(offset, axis=1), path, driving_path, scale)
        placed[:, joint] = from_placed + factor[:, None] * offset
        seen = person.seen[:, joint]
        base[joint] = (
            np.where(seen[:, None], person.points[:, joint], from_driving),
            np.where(seen[:, None], placed[:, joint], from_placed),
            np.where(seen, 0.0, path),
            np.where(seen, 0.0, driving_path),
        )
    return placed


def _stretch(now: Floats, path: Floats, driving_path: Floats, scale: float) -> Floats:
    """Return the factor for the driving offset, (frames,).

    Its direction is kept; its length becomes path * clip(now / driving_path, 0, 1.1).
    """
    unknown = (path == 0) & (driving_path == 0)
    length = path * np.minimum(_quotient(now, driving_path, np.inf), MAX_STRETCH)
    return np.where(unknown, scale, _quotient(length, now, 0.0))


def _quotient(above: Floats, below: Floats, otherwise: float) -> Floats:
    quotient = np.full(above.shape, otherwise)
    np.divide(above, below, out=quotient, where=below > 0)
    return quotient


def _ratios(lengths: Floats, driving: Floats, scale: float) -> dict[str, float]:
    """Return the size of the source's hands and face relative to the driving person's."""
    usable = (lengths > 0) & ~_too_short(driving, NO_LENGTH)

    def ratio(bones: list[Joint]) -> float:
        chosen = [bone for bone in bones if usable[bone]]
        return float(lengths[chosen].sum() / driving[chosen].sum()) if chosen else scale

    return {
        "hand_left": ratio([Joint.LEFT_WRIST]),
        "hand_right": ratio([Joint.RIGHT_WRIST]),
        "face": ratio(_HEAD),
    }


def _result(pose: Pose, placed: Floats, canvas: tuple[int, int], ratios: dict[str, float]) -> Pose:
    return Pose(
        keypoints=np.where(pose.detected[:, None], placed, 0.0),
        confidence=pose.confidence,
        canvas=canvas,
        hand_left=_carry(pose.hand_left, pose, placed, [Joint.LEFT_WRIST], ratios["hand_left"]),
        hand_right=_carry(pose.hand_right, pose, placed, [Joint.RIGHT_WRIST], ratios["hand_right"]),
        face=_carry(pose.face, pose, placed, _FACE_ANCHORS, ratios["face"]),
    )


def _carry(
    part: NDArray[np.float64] | None,
    pose: Pose,
    placed: Floats,
    anchors: list[Joint],
    ratio: float,
) -> NDArray[np.float64] | None:
    """Move hand or face points, (n, 3), with the first detected one of the anchors."""
    anchor = next((joint for joint in anchors if pose.detected[joint]), None)
    if part is None or anchor is None:
        return None
    seen = part[:, 2] > 0
    carried = np.zeros_like(part)
    carried[seen, :2] = placed[anchor] + ratio * (part[seen, :2] - pose.keypoints[anchor])
    carried[seen, 2] = part[seen, 2]
    return carried
