"""Appearance of a person: the colours of the torso, to distinguish people who cross."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from media.poses.joints import Joint
from media.poses.keypoints import Pose
from tcan_core.conditioning.bones import Floats

_TORSO = [Joint.RIGHT_SHOULDER, Joint.LEFT_SHOULDER, Joint.LEFT_HIP, Joint.RIGHT_HIP]
_LEVELS = 4  # of each of red, green, blue
_OVERLAP = 0.1  # of the smaller body's box; above it one person partly covers the other


def with_appearance(people: Sequence[Pose], frame: NDArray[np.uint8]) -> list[Pose]:
    """Return the people of a frame, (height, width, 3) uint8 RGB, with their appearance.

    People who overlap with others, or whose torso is not detected, get none.
    """
    boxes = [_box(pose) for pose in people]
    return [
        pose
        if any(_overlap(box, other) > _OVERLAP for other in boxes if other is not box)
        else replace(pose, appearance=_torso_histogram(pose, frame))
        for pose, box in zip(people, boxes, strict=True)
    ]


def appearance_distance(one: Floats | None, other: Floats | None) -> float | None:
    """Return the distance of two appearances, 0 (equal) to 1; None if one is unknown."""
    if one is None or other is None:
        return None
    return float(1.0 - np.sqrt(one * other).sum().clip(0.0, 1.0))


def main_color(appearance: Floats) -> str:
    """Return the most frequent colour of an appearance as #rrggbb."""
    red_green, blue = divmod(int(appearance.argmax()), _LEVELS)
    levels = (*divmod(red_green, _LEVELS), blue)
    return "#" + "".join(f"{(2 * level + 1) * 128 // _LEVELS:02x}" for level in levels)


def _torso_histogram(pose: Pose, frame: NDArray[np.uint8]) -> Floats | None:
    """Return the colour histogram of the torso, (64,) with sum 1."""
    if not pose.detected[_TORSO].all():
        return None
    corners = pose.keypoints[_TORSO]
    low = np.floor(corners.min(axis=0)).astype(int).clip(0)
    high = np.ceil(corners.max(axis=0)).astype(int) + 1
    pixels = frame[low[1] : max(high[1], 0), low[0] : max(high[0], 0)]
    mask = np.zeros(pixels.shape[:2], np.uint8)
    if mask.size:
        cv2.fillConvexPoly(mask, np.rint(corners - low - 0.5).astype(np.int32), 1)
    inside = pixels[mask > 0].astype(int) * _LEVELS // 256
    if not len(inside):
        return None
    bins = inside @ [_LEVELS**2, _LEVELS, 1]
    return np.asarray(np.bincount(bins, minlength=_LEVELS**3) / len(bins), np.float64)


def _box(pose: Pose) -> Floats:
    """Return left, top, right, bottom of the detected joints."""
    seen = pose.keypoints[pose.detected]
    return np.concatenate([seen.min(axis=0), seen.max(axis=0)]) if len(seen) else np.zeros(4)


def _overlap(one: Floats, other: Floats) -> float:
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    smaller = min(np.prod(one[2:] - one[:2]), np.prod(other[2:] - other[:2]))
    return float(np.prod(sides.clip(0.0)) / smaller) if smaller > 0 else 0.0
