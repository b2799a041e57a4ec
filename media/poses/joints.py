"""The 18 body joints of OpenPose, and the layouts of bodies, hands and faces in pose files."""

from __future__ import annotations

from dataclasses import dataclass
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
    """The order of a body's joints in a file; `JOINT_ORDERS` has each one's joints."""

    AUTO = "auto"  # chosen by the number of joints; COCO's 17 only where the format says so
    OPENPOSE18 = "openpose18"
    BODY25 = "body25"
    COCO17 = "coco17"
    HALPE26 = "halpe26"
    MEDIAPIPE33 = "mediapipe33"
    WHOLEBODY133 = "wholebody133"
    HALPE136 = "halpe136"


@dataclass(frozen=True)
class JointOrder:
    """The places of OpenPose's joints among the joints of a layout.

    Attributes:
        count: number of joints of the layout.
        body: index of each of the 18 joints, in the order of `Joint`; None for a neck that the
            layout lacks, which is then the middle of the shoulders.
        face: indices of the face's 68 points, if the layout has them.
        hand_left: indices of the left hand's 21 points, if the layout has them.
        hand_right: indices of the right hand's 21 points, if the layout has them.
    """

    count: int
    body: tuple[int | None, ...]
    face: range | None = None
    hand_left: range | None = None
    hand_right: range | None = None


def _order(neck: int | None, *others: int) -> tuple[int | None, ...]:
    return (others[0], neck, *others[1:])


# The COCO order (nose, eyes, ears, shoulders, elbows, ..., left before right) without the neck.
_COCO = (0, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
JOINT_ORDERS: dict[Layout, JointOrder] = {
    Layout.OPENPOSE18: JointOrder(18, tuple(range(18))),
    # BODY_25 has the middle of the hips at 8, and the feet from 19.
    Layout.BODY25: JointOrder(25, (*range(8), *range(9, 19))),
    Layout.COCO17: JointOrder(17, _order(None, *_COCO)),
    Layout.HALPE26: JointOrder(26, _order(18, *_COCO)),
    Layout.MEDIAPIPE33: JointOrder(
        33, _order(None, 0, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7)
    ),
    Layout.WHOLEBODY133: JointOrder(
        133, _order(None, *_COCO), range(23, 91), range(91, 112), range(112, 133)
    ),
    Layout.HALPE136: JointOrder(
        136, _order(18, *_COCO), range(26, 94), range(94, 115), range(115, 136)
    ),
}
