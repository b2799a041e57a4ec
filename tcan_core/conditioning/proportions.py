"""Proportions of bodies: what the other bones of a figure say about one of them.

A bone that points to the camera looks shorter, and a bowed or turned head brings the nose near the
neck; but seldom all bones at once, and never for a whole video.
"""

from __future__ import annotations

import numpy as np

from media.poses.joints import Joint
from tcan_core.conditioning.bones import Bools, Floats

# Lengths relative to each other, between those of an adult and of a chibi figure, which differ by
# at most a quarter from them after scaling.
_TYPICAL_BY_PART = {
    "SHOULDER": 0.67,
    "HIP": 1.5,
    "ELBOW": 0.82,
    "WRIST": 0.77,
    "KNEE": 0.93,
    "ANKLE": 0.9,
}
# Nose-neck lengths per size of the figures with the smallest heads among drawn ones. Real adults
# have a smaller head; so their size is measured by their long bones, that of others by the head.
_SMALLEST_HEAD = 0.545


def _part(joint: Joint) -> str:
    return joint.name.partition("_")[2]


TYPICAL = np.array([_TYPICAL_BY_PART.get(_part(joint), np.nan) for joint in Joint])
LONG_BONES = [joint for joint in Joint if _part(joint) in _TYPICAL_BY_PART.keys() - {"SHOULDER"}]


def body_size(lengths: Floats) -> float:
    """Return the median of the long bones' lengths, each relative to its typical one.

    Args:
        lengths: (18,) pixels at the bone's outer joint, NaN where unknown.

    Returns:
        Pixels; NaN if no long bone is known.
    """
    sizes = (lengths / TYPICAL)[LONG_BONES]
    known = sizes[~np.isnan(sizes)]
    return float(np.median(known)) if len(known) else float("nan")


def head_unit(lengths: Floats, usable: Bools) -> float:
    """Return the nose-neck length of an upright head, the unit of motions.

    This is the length between nose and neck, but at least what people of these long bones have,
    whose head may be bowed or turned.

    Args:
        lengths: (18,) pixels.
        usable: (18,) which of them are valid.

    Returns:
        Pixels; NaN if neither is known.
    """
    head = lengths[Joint.NOSE] if usable[Joint.NOSE] else np.nan
    bones = [bone for bone in LONG_BONES if usable[bone]]
    size = lengths[bones].sum() / TYPICAL[bones].sum() if bones else np.nan
    return float(np.fmax(head, _SMALLEST_HEAD * size))
