"""A short pose file whose content is known, and its forms as other programs write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from media.poses.joints import JOINT_ORDERS, Joint, Layout

BODY = "pose_keypoints_2d"
WIDTH, HEIGHT = 320, 480
# Makes another document of the plain one.
Change = Callable[[dict[str, Any]], Any]
_STANDING = {
    Joint.NOSE: (160, 80), Joint.NECK: (160, 130),
    Joint.RIGHT_SHOULDER: (120, 131), Joint.RIGHT_ELBOW: (100, 190), Joint.RIGHT_WRIST: (90, 250),
    Joint.LEFT_SHOULDER: (200, 129), Joint.LEFT_ELBOW: (221, 190), Joint.LEFT_WRIST: (232, 250),
    Joint.RIGHT_HIP: (135, 260), Joint.RIGHT_KNEE: (133, 340), Joint.RIGHT_ANKLE: (131, 420),
    Joint.LEFT_HIP: (185, 260), Joint.LEFT_KNEE: (187, 340), Joint.LEFT_ANKLE: (189, 420),
    Joint.RIGHT_EYE: (150, 70), Joint.LEFT_EYE: (170, 70),
    Joint.RIGHT_EAR: (140, 75), Joint.LEFT_EAR: (180, 75),
}  # fmt: skip
_MISSING = {0: Joint.LEFT_ANKLE, 2: Joint.RIGHT_EAR}


def _pose(step: int) -> NDArray[np.float64]:
    """Return (18, 3) x, y, confidence of a person who walks; some joints are missing."""
    pose = np.array([[*_STANDING[joint], 1.0] for joint in Joint])
    pose[:, 0] += 7.25 * step
    if step in _MISSING:
        pose[_MISSING[step]] = 0
    return pose


# The people of four frames; the last has none.
TRUTH = [[_pose(0)], [_pose(1)], [_pose(2)], []]


def document() -> dict[str, Any]:
    """Return the plain pose file."""
    return {
        "fps": 12,
        "frames": [
            {
                "people": [{BODY: pose.ravel().tolist()} for pose in people],
                "canvas_width": WIDTH,
                "canvas_height": HEIGHT,
            }
            for people in TRUTH
        ],
    }


def points_of(person: dict[str, Any]) -> list[tuple[float, float, float]]:
    """Return x, y, confidence of each joint of a person in the plain file."""
    return [tuple(joint) for joint in np.reshape(person[BODY], (-1, 3)).tolist()]


def in_layout(points: list[tuple[float, float, float]], layout: Layout) -> list[float]:
    """Return the joints in another layout, with other points in the places that it adds."""
    order = JOINT_ORDERS[layout]
    joints = [[5.0, 6.0, 0.5]] * order.count
    for joint, index in enumerate(order.body):
        if index is not None:
            joints[index] = list(points[joint])
    return [number for joint in joints for number in joint]


def each_person(change: Callable[[dict[str, Any]], Any]) -> Change:
    """Return a change of a document that changes every person."""

    def changed(content: dict[str, Any]) -> Any:
        for frame in content["frames"]:
            frame["people"] = [change(person) for person in frame["people"]]
        return content

    return changed


def each_joint(change: Callable[[float, float, float], Any]) -> Change:
    """Return a change that puts other numbers in place of x, y, confidence."""
    return each_person(
        lambda person: {BODY: [n for joint in points_of(person) for n in change(*joint)]}
    )


def without_canvas(content: dict[str, Any]) -> dict[str, Any]:
    for frame in content["frames"]:
        del frame["canvas_width"], frame["canvas_height"]
    return content


def with_another(person: Any) -> Change:
    """Return a change that adds a person to every frame."""

    def changed(content: dict[str, Any]) -> Any:
        return [frame | {"people": [*frame["people"], person]} for frame in content["frames"]]

    return changed


def other_layout(layout: Layout) -> Change:
    return each_person(lambda person: {BODY: in_layout(points_of(person), layout)})


def renamed(content: Any) -> Any:
    """Write all names as camelCase."""
    if isinstance(content, list):
        return [renamed(entry) for entry in content]
    if not isinstance(content, dict):
        return content
    words = {name: name.split("_") for name in content}
    names = {name: w[0] + "".join(x.title() for x in w[1:]) for name, w in words.items()}
    return {names[name]: renamed(value) for name, value in content.items()}


def dwpose(content: dict[str, Any]) -> Any:
    """Write DWPose's own result: points, and for each person their indices, or -1."""
    return [
        {
            "bodies": {
                "candidate": [[x / WIDTH, y / HEIGHT] for x, y, _ in points],
                "subset": [[index if joint[2] else -1 for index, joint in enumerate(points)]],
            },
            "hands": [],
            "faces": [],
        }
        for frame in content["frames"]
        for points in [points_of(person) for person in frame["people"]]
    ]


def mediapipe(content: dict[str, Any]) -> Any:
    """Write landmarks with a depth, in fractions of the frame."""
    return [
        {
            "poseLandmarks": [
                {"x": x / WIDTH, "y": y / HEIGHT, "z": -0.2, "visibility": c}
                for x, y, c in np.reshape(
                    in_layout(points_of(frame["people"][0]), Layout.MEDIAPIPE33), (-1, 3)
                ).tolist()
            ]
        }
        for frame in content["frames"][:3]
    ]


def arrays(content: dict[str, Any]) -> Any:
    """Write arrays of frames, people, joints and numbers."""
    return [
        [[list(joint) for joint in points_of(person)] for person in frame["people"]]
        for frame in content["frames"]
    ]


def alphapose(content: dict[str, Any]) -> Any:
    """Write one entry per person, as COCO's results and AlphaPose do, in any order."""
    entries = [
        {"image_id": f"{number}.jpg", "category_id": 1, "score": 2.9, "idx": 0,
         "keypoints": in_layout(points_of(person), Layout.COCO17)}
        for number, frame in enumerate(content["frames"])
        for person in frame["people"]
    ]  # fmt: skip
    return entries[::-1]


def mmpose(content: dict[str, Any]) -> Any:
    def instance(person: dict[str, Any]) -> dict[str, Any]:
        joints = np.reshape(in_layout(points_of(person), Layout.COCO17), (-1, 3)).tolist()
        return {"keypoints": [j[:2] for j in joints], "keypoint_scores": [j[2] for j in joints]}

    return {
        "meta_info": {"dataset_name": "coco"},
        "instance_info": [
            {"frame_id": number + 1, "instances": [instance(p) for p in frame["people"]]}
            for number, frame in enumerate(content["frames"])
        ],
    }
