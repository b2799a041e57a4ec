"""Bones whose length in one pose is a mistake of the detector.

A wrist that is found on something behind the person gives a forearm of several times its length,
and because left and right bones get the longer of both lengths, an animation with two of them. Of
two sides that differ much, the longer bone is right if the other one is foreshortened, and mistaken
if the other one fits the rest of the body better.
"""

from __future__ import annotations

import numpy as np

from media.poses.joints import NUM_JOINTS, Joint
from media.poses.keypoints import Pose
from tcan_core.conditioning.bones import MIRROR, Bools, Floats, bone_lengths
from tcan_core.conditioning.proportions import TYPICAL, body_size

MAX_UNEVEN = 1.6  # times the length of the bone on the other side
MAX_ALONE = 2.5  # times the length that fits the rest of the body, without a bone on the other side
_NAMES = {
    "SHOULDER": "half of the shoulders",
    "HIP": "side of the torso",
    "ELBOW": "upper arm",
    "WRIST": "forearm",
    "KNEE": "thigh",
    "ANKLE": "shin",
}


def mistaken_bones(lengths: Floats) -> Bools:
    """Return which bones of one pose, without the head's, are too long to be true, (18,).

    Args:
        lengths: (18,) length of each bone at its outer joint, NaN where unknown.
    """
    mistaken = np.zeros(NUM_JOINTS, np.bool_)
    for joint in np.flatnonzero(~np.isnan(TYPICAL * lengths)):
        rest = lengths.copy()
        rest[[joint, MIRROR[joint]]] = np.nan
        length, other, fitting = (
            lengths[joint],
            lengths[MIRROR[joint]],
            TYPICAL[joint] * body_size(rest),
        )
        if np.isnan(other):
            mistaken[joint] = length > MAX_ALONE * fitting
        else:  # the length that fits is nearer to the shorter one
            mistaken[joint] = length > MAX_UNEVEN * other and length * other > fitting**2
    return mistaken


def limb_warnings(pose: Pose) -> list[str]:
    """Return a warning for each limb bone of the image's pose that retargeting does not use."""
    lengths = bone_lengths(pose.keypoints[None], pose.detected[None])[0]
    return [
        f"the {_name(Joint(int(joint)))} in the image's pose is too long to be true, and its length"
        " is not used; check the pose, or give another one"
        for joint in np.flatnonzero(mistaken_bones(lengths))
    ]


def _name(joint: Joint) -> str:
    side, _, part = joint.name.partition("_")
    return f"{side.lower()} {_NAMES[part]}"
