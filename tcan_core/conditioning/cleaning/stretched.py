"""Detection of joints whose bones are too long for the body."""

from __future__ import annotations

import numpy as np

from media.poses.joints import NUM_JOINTS
from tcan_core.conditioning.bones import MIRROR, PARENTS, Bools, Floats, bone_lengths
from tcan_core.conditioning.cleaning.size import typical_height

_USUAL = 0.8  # quantile of a bone's lengths used as its full length; the longest may be wrong
_STRETCH = 1.35  # allowed ratio to the full length, for perspective and imprecise detection
_SPARE = 0.04  # additional tolerance in body heights
_ENOUGH = 6  # lengths that are needed to estimate the full length

_ENDS = np.array([(joint, parent) for joint, parent in PARENTS.items()])


def find_stretched(points: Floats) -> Bools:
    """Find detections whose bones are all too long, compared with the rest of the video.

    If a bone is too long, the wrong end is the one whose other bones are too long as well. If that
    is not decisive (a wrist has one bone), it is the outer end.

    Args:
        points: (frames, 18, 2) pixels, NaN where not detected.

    Returns:
        (frames, 18), True where a detection must be rejected.
    """
    seen = ~np.isnan(points[..., 0])
    lengths = bone_lengths(points, seen)
    with np.errstate(invalid="ignore"):
        long = lengths > _max_lengths(lengths) + _SPARE * typical_height(points)
    fits = ~np.isnan(lengths) & ~long
    long_bones, fitting_bones = _count_by_joint(long), _count_by_joint(fits)
    # A joint with a bone of valid length is correct.
    suspect: Bools = seen & (long_bones > 0) & (fitting_bones == 0)
    return suspect & ~_correct_inner_ends(suspect, long)


def _max_lengths(lengths: Floats) -> Floats:
    """Return the largest valid length of each bone, (18,) pixels; infinite without enough data."""
    limits = np.full(NUM_JOINTS, np.inf)
    for joint in PARENTS:
        both = lengths[:, [joint, MIRROR[joint]]]
        valid = both[~np.isnan(both)]
        if len(valid) >= _ENOUGH:
            limits[joint] = _STRETCH * float(np.quantile(valid, _USUAL))
    return limits


def _count_by_joint(bones: Bools) -> Floats:
    """Count the flagged bones, (frames, 18) by outer joint, that end in each joint."""
    counts = np.zeros(bones.shape)
    for joint, parent in _ENDS:
        counts[:, joint] += bones[:, joint]
        counts[:, parent] += bones[:, joint]
    return counts


def _correct_inner_ends(suspect: Bools, long: Bools) -> Bools:
    """Return the inner ends of single long bones: if both ends are suspect, the outer is wrong."""
    correct = np.zeros_like(suspect)
    for joint, parent in _ENDS:
        only = long[:, joint] & suspect[:, joint] & suspect[:, parent]
        correct[:, parent] |= only & (_count_by_joint(long)[:, parent] == 1)
    return correct
