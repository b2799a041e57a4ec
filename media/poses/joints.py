"""The 18 body joints of OpenPose, and the layouts of bodies, hands and faces in pose files."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Joint(IntEnum):
    """OpenPose's 18 body joints, in the order of its COCO model."""

    NOSE = 0
    NECK = 1
    RIGHT_SHOULDER = 2
    RIGHT_ELBOW = 3
    RIGHT_WRIST = 4
    LEFT_SHOULDER = 5
    LEFT_ELBOW = 6
    LEFT_WRIST = 7
    RIGHT_HIP = 8
    RIGHT_KNEE = 9
    RIGHT_ANKLE = 10
    LEFT_HIP = 11
    LEFT_KNEE = 12
    LEFT_ANKLE = 13
    RIGHT_EYE = 14
    LEFT_EYE = 15
    RIGHT_EAR = 16
    LEFT_EAR = 17


NUM_JOINTS = len(Joint)
NUM_HAND_JOINTS = 21
NUM_FACE_JOINTS = 70

# Limbs in the order in which the OpenPose ControlNet's training maps draw them: a later limb covers
# an earlier one.
LIMBS: tuple[tuple[Joint, Joint], ...] = (
    (Joint.NECK, Joint.RIGHT_SHOULDER),
    (Joint.NECK, Joint.LEFT_SHOULDER),
    (Joint.RIGHT_SHOULDER, Joint.RIGHT_ELBOW),
    (Joint.RIGHT_ELBOW, Joint.RIGHT_WRIST),
    (Joint.LEFT_SHOULDER, Joint.LEFT_ELBOW),
    (Joint.LEFT_ELBOW, Joint.LEFT_WRIST),
    (Joint.NECK, Joint.RIGHT_HIP),
    (Joint.RIGHT_HIP, Joint.RIGHT_KNEE),
    (Joint.RIGHT_KNEE, Joint.RIGHT_ANKLE),
    (Joint.NECK, Joint.LEFT_HIP),
    (Joint.LEFT_HIP, Joint.LEFT_KNEE),
    (Joint.LEFT_KNEE, Joint.LEFT_ANKLE),
    (Joint.NECK, Joint.NOSE),
    (Joint.NOSE, Joint.RIGHT_EYE),
    (Joint.RIGHT_EYE, Joint.RIGHT_EAR),
    (Joint.NOSE, Joint.LEFT_EYE),
    (Joint.LEFT_EYE, Joint.LEFT_EAR),
)


class Layout(StrEnum):
    """The order of a body's joints in a file."""

    AUTO = "auto"  # OpenPose-18 or BODY_25, chosen by the number of joints
    OPENPOSE18 = "openpose18"
    BODY25 = "body25"
    COCO17 = "coco17"


JOINT_COUNTS = {Layout.OPENPOSE18: 18, Layout.BODY25: 25, Layout.COCO17: 17}

# The joints of BODY_25 that OpenPose-18 has, in its order: all but the middle of the hips (8) and
# the feet (from 19).
BODY25_JOINTS = (*range(8), *range(9, 19))
