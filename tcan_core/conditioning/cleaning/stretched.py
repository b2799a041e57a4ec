"""Find joints that no bone of this body reaches."""

from __future__ import annotations

import numpy as np

from media.poses.joints import NUM_JOINTS
from tcan_core.conditioning.bones import MIRROR, PARENTS, Bools, Floats, bone_lengths
from tcan_core.conditioning.cleaning.size import typical_height

_USUAL = 0.8  # the quantile of a bone's lengths that is its full length: the longest may be wrong
_STRETCH = 1.35  # how much longer a bone may look, by perspective and loose detection
_SPARE = 0.04  # body heights that any bone may be longer
_ENOUGH = 6  # lengths from which a bone's full length is told

_ENDS = np.array([(joint, parent) for joint, parent in PARENTS.items()])


def find_stretched(points: Floats) -> Bools:
    """Find detections whose bones are all longer than they are in the rest of the video.

    Of a bone that is too long the end is wrong whose other bones are too long as well. Where that
    tells nothing (a wrist has one bone) it is the outer end.

    Args:
        points: (frames, 18, 2) pixels, NaN where not detected.

    Returns:
        (frames, 18), True where a detection is to be rejected.
    """
    seen = ~np.isnan(points[..., 0])
    lengths = bone_lengths(points, seen)
    with np.errstate(invalid="ignore"):
        long = lengths > _longest(lengths) + _SPARE * typical_height(points)
    fits = ~np.isnan(lengths) & ~long
    long_bones, fitting_bones = _count_by_joint(long), _count_by_joint(fits)
    # A joint with a bone that fits is where it should be.
    found: Bools = seen & (long_bones > 0) & (fitting_bones == 0)
    return found & ~_innocent(found, long)


def _longest(lengths: Floats) -> Floats:
    """Return how long each bone may look, (18,) pixels; infinite where too few frames tell."""
    limits = np.full(NUM_JOINTS, np.inf)
    for joint in PARENTS:
        both = lengths[:, [joint, MIRROR[joint]]]
        told = both[~np.isnan(both)]
        if len(told) >= _ENOUGH:
            limits[joint] = _STRETCH * float(np.quantile(told, _USUAL))
    return limits


def _count_by_joint(bones: Bools) -> Floats:
    """Count the flagged bones, (frames, 18) by outer joint, that end in each joint."""
    counts = np.zeros(bones.shape)
    for joint, parent in _ENDS:
        counts[:, joint] += bones[:, joint]
        counts[:, parent] += bones[:, joint]
    return counts


def _innocent(found: Bools, long: Bools) -> Bools:
    """Return the inner ends of lone long bones: where both ends are suspect, the outer is wrong."""
    innocent = np.zeros_like(found)
    for joint, parent in _ENDS:
        only = long[:, joint] & found[:, joint] & found[:, parent]
        innocent[:, parent] |= only & (_count_by_joint(long)[:, parent] == 1)
    return innocent
