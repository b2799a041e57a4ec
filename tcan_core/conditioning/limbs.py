"""Limb bones whose length in one pose is a mistake of the detector.

A wrist that is found on something behind the person gives a forearm of several times its length,
and because left and right bones get the longer of both lengths, an animation with two of them. A
bone is mistaken if it is far longer than its counterpart and than the other bones of arms or legs.
"""

from __future__ import annotations

import numpy as np

from media.poses.joints import NUM_JOINTS, Joint
from media.poses.keypoints import Pose
from tcan_core.conditioning.bones import MIRROR, Bools, Floats, bone_lengths

MAX_UNEVEN = 2.0  # times the length of the bone on the other side, which may be foreshortened
MAX_UNLIKE = 1.6  # times the longest other bone of both arms or both legs; 1.2 is usual
_NAMES = {"ELBOW": "upper arm", "WRIST": "forearm", "KNEE": "thigh", "ANKLE": "shin"}
_NEIGHBOURS = {"ELBOW": "WRIST", "WRIST": "ELBOW", "KNEE": "ANKLE", "ANKLE": "KNEE"}


def mistaken_bones(lengths: Floats) -> Bools:
    """Return which limb bones of one pose are too long to be true, (18,).

    Args:
        lengths: (18,) length of each bone at its outer joint, NaN where unknown.
    """
    mistaken = np.zeros(NUM_JOINTS, np.bool_)
    for joint in Joint:
        side, _, part = joint.name.partition("_")
        if part not in _NEIGHBOURS:
            continue
        neighbours = [lengths[Joint[f"{other}_{_NEIGHBOURS[part]}"]] for other in ("LEFT", "RIGHT")]
        mistaken[joint] = lengths[joint] > MAX_UNEVEN * lengths[MIRROR[joint]] and lengths[
            joint
        ] > MAX_UNLIKE * np.fmax(*neighbours)
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
