"""Retarget the motion of the driving poses to the body of the source character.

Bones run from the neck outwards (`bones.PARENTS`). Each keeps its direction in the driving frame
and gets the source's length, times the foreshortening of the driving bone

    clip(length now / length without foreshortening, 0, 1.1).

The length without foreshortening is the 90 % quantile over the driving video, and for the shoulders
of a person who is seen in profile throughout what fits the other bones. If the person comes nearer
during the video, it is that at the distance of the beginning, where the figure has the source's
size.

Left and right bones of the source get the longer of the two lengths, without those that a detector
mistook (`limbs`); those of eyes and ears keep their own. The neck starts at the neck of the source
and follows the driving neck, scaled by the ratio of the nose-neck lengths, or of the long bones of
people (`proportions.head_unit`), and bounded by the picture (`root_motion`). Hands follow their
wrist and are scaled like the forearm; the face follows the nose and is scaled like the head.

Missing data:

- A joint that is missing in a driving frame is missing in the result (confidence 0). Its children
  are placed from their nearest detected ancestor: the offset between the two, scaled by the
  ratio of the path lengths. A missing neck is estimated from other joints (`root.find_necks`).
- A bone that the source lacks, or that has no length there, gets the length of the other side, else
  the driving length times the motion scale.
- If neither nose and neck nor long bones define a scale, the shoulders do, else the median of all
  bones of both figures, else the heights of the canvases.
- A hand without its wrist is dropped.

Coordinates of undetected joints are never used.

Source: TCAN, arXiv 2407.09012, pose retargeting, where scale and foreshortening are those of the
first driving frame; robust where the official code is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from media.poses.joints import NUM_JOINTS, Joint
from media.poses.keypoints import Pose
from tcan_core.conditioning.bones import (
    HEAD,
    MIRROR,
    PARENTS,
    Bools,
    Floats,
    bone_lengths,
    longest_of_pairs,
    robust_lengths,
)
from tcan_core.conditioning.limbs import mistaken_bones
from tcan_core.conditioning.proportions import LONG_BONES, TYPICAL, body_size, head_unit
from tcan_core.conditioning.root import find_necks, reference_frame, source_neck
from tcan_core.conditioning.root_motion import RootMotion, bound_motion

MAX_STRETCH = 1.1
# Relative to the longest bone of a figure: a shorter bone has no usable length ...
NO_LENGTH = 0.02
# ... and a shorter one is not used for the motion scale.
NO_SCALE = 0.05
# Of the typical length for the other bones: people in profile have narrower shoulders.
NARROW_SHOULDERS = 0.6
BEGINNING = 12  # frames with the person that tell its distance at the beginning
_SHOULDERS = [Joint.RIGHT_SHOULDER, Joint.LEFT_SHOULDER]
_FACE_ANCHORS = [Joint.NOSE, *HEAD, Joint.NECK]


@dataclass(frozen=True)
class _DrivingPerson:
    """Measures of the driving person, in pixels of its own canvas.

    Attributes:
        points: (frames, 18, 2), 0 where not detected.
        seen: (frames, 18).
        necks: (frames, 2), known in every frame.
        lengths: (18,) each bone's length without foreshortening, NaN if never detected.
        nearing: size at the beginning relative to that size, at most 1.
    """

    points: Floats
    seen: Bools
    necks: Floats
    lengths: Floats
    nearing: float


def retarget(
    source: Pose, driving: Sequence[Pose], root_motion: RootMotion = "bounded"
) -> list[Pose]:
    """Return the driving motion with the source's body, on the source's canvas.

    Args:
        driving: poses of the driving person, on a canvas of any size.
        root_motion: "full" moves the figure as far as the driving person, relative to its size;
            "bounded" reduces this so that it stays as far in the picture as the driving person in
            its own; with "none" the neck stays at its place.

    Returns:
        One pose per driving pose, with its confidences.
    """
    if not driving:
        return []
    person = _measure(driving)
    lengths = _source_lengths(source)
    scale = motion_scale(lengths, person.lengths, source.canvas[0] / driving[0].canvas[0])
    lengths, path_lengths = _complete(lengths, person.lengths, scale)
    start = source_neck(source, person.points, person.seen, person.necks, scale)
    rest = _place(person, start, lengths, person.nearing * path_lengths, scale)
    moved = scale * (person.necks - person.necks[reference_frame(person.seen)])
    if root_motion == "none":
        moved = np.zeros_like(moved)
    elif root_motion == "bounded":
        canvases = source.canvas, driving[0].canvas
        moved = bound_motion(rest, moved, person.points, person.seen, *canvases)
    ratios = _ratios(lengths, person.lengths, scale)
    return [
        _result(pose, points, source.canvas, ratios)
        for pose, points in zip(driving, rest + moved[:, None], strict=True)
    ]


def motion_scale(source: Floats, driving: Floats, otherwise: float) -> float:
    """Return the scale of the motion, in pixels of the source per pixel of the driving poses.

    Args:
        source: (18,) bone lengths, NaN where unknown.
        driving: (18,) bone lengths, NaN where unknown.
        otherwise: scale to use when no bone defines one.
    """
    usable = ~(_too_short(source, NO_SCALE) | _too_short(driving, NO_SCALE))
    units = head_unit(source, usable), head_unit(driving, usable)
    if not np.isnan(units).any():
        return units[0] / units[1]
    ratios = np.divide(source, driving, out=np.full(NUM_JOINTS, np.nan), where=usable)
    for bones in (_SHOULDERS, list(Joint)):
        if usable[bones].any():
            return float(np.nanmedian(ratios[bones]))
    return otherwise


def _measure(driving: Sequence[Pose]) -> _DrivingPerson:
    seen = np.stack([pose.detected for pose in driving])
    points = np.where(seen[..., None], np.stack([pose.keypoints for pose in driving]), 0.0)
    lengths = bone_lengths(points, seen)
    robust = longest_of_pairs(robust_lengths(lengths))
    narrow = NARROW_SHOULDERS * body_size(robust) * TYPICAL[_SHOULDERS]
    robust[_SHOULDERS] = np.where(robust[_SHOULDERS] < narrow, narrow, robust[_SHOULDERS])
    necks = find_necks(points, seen)
    return _DrivingPerson(points, seen, necks, robust, _nearing(lengths, robust))


def _nearing(lengths: Floats, robust: Floats) -> float:
    """Return the size at the beginning relative to the size at the end, at most 1.

    It is that of the least foreshortened long bone, from lengths (frames, 18) and (18,).
    """
    beginning = lengths[~np.isnan(lengths).all(axis=1)][:BEGINNING]
    sizes = _quotient(robust_lengths(beginning), robust, np.nan)[LONG_BONES]
    return float(np.fmin(np.fmax.reduce(sizes), 1.0))


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
    person: _DrivingPerson, neck: Floats, lengths: Floats, driving_lengths: Floats, scale: float
) -> Floats:
    """Place the joints outwards from the neck (2,), all frames at once; (frames, 18, 2)."""
    frames = len(person.necks)
    necks = np.broadcast_to(neck, (frames, 2))
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
        "face": ratio(HEAD),
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
