"""Joint layouts of bodies in pose files."""

from __future__ import annotations

from enum import StrEnum


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
