"""Pose files as other programs write them give the poses of the plain file, with a warning."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from media.errors import ParameterError, PoseFileError
from media.poses.document import PoseDocument, pose_file_options
from media.poses.joints import JOINT_ORDERS, Joint, Layout
from media.poses.keypoints import Pose
from media.poses.pose_file import read_pose_file
from tests.media.poses.programs import (
    BODY,
    HEIGHT,
    TRUTH,
    WIDTH,
    Change,
    alphapose,
    arrays,
    document,
    dwpose,
    each_joint,
    each_person,
    mediapipe,
    mmpose,
    other_layout,
    points_of,
    renamed,
    with_another,
    without_canvas,
)

SIZE = (HEIGHT, WIDTH)


# A change of the plain file, the options, and a part of the only warning (None: there is none).
READ: dict[str, tuple[Change, dict[str, Any], str | None]] = {
    "plain": (lambda d: d, {}, None),
    "0..1": (
        each_joint(lambda x, y, c: (x / WIDTH, y / HEIGHT, c)),
        {},
        "coordinates are 0..1, not pixels; they were scaled to 320x480",
    ),
    "-1..1": (
        each_joint(lambda x, y, c: (2 * x / WIDTH - 1, 2 * y / HEIGHT - 1, c)),
        {},
        "coordinates are -1..1, not pixels; they were scaled to 320x480",
    ),
    "-1..1 with y upwards": (
        each_joint(lambda x, y, c: (2 * x / WIDTH - 1, 1 - 2 * y / HEIGHT, c)),
        {},
        "coordinates are -1..1, with y upwards, not pixels; they were scaled to 320x480",
    ),
    "0..1 without a canvas": (
        lambda d: without_canvas(each_joint(lambda x, y, c: (x / WIDTH, y / HEIGHT, c))(d)),
        {"canvas": f"{WIDTH}x{HEIGHT}"},
        "coordinates are 0..1",
    ),
    "no canvas": (without_canvas, {}, "the file has no canvas; 320x480 is assumed, the image's"),
    "canvas that is no size, and one given": (
        lambda d: [frame | {"canvas_width": 0} for frame in d["frames"]],
        {"canvas": "320x480"},
        None,
    ),
    "no canvas, but given": (without_canvas, {"canvas": "320x480"}, None),
    "canvas of the document": (
        lambda d: without_canvas(d) | {"canvas_width": WIDTH, "canvas_height": HEIGHT}, {}, None
    ),
    "canvas in an object": (
        lambda d: without_canvas(d) | {"canvas": {"width": WIDTH, "height": HEIGHT}}, {}, None
    ),
    "canvas in metadata": (
        lambda d: without_canvas(d) | {"metadata": {"canvas": [WIDTH, HEIGHT]}}, {}, None
    ),
    "canvas as text in metadata": (
        lambda d: without_canvas(d) | {"meta": {"canvas": f"{WIDTH}x{HEIGHT}"}}, {}, None
    ),
    "canvas in the metadata of each frame": (
        lambda d: [
            frame | {"metadata": {"canvas": {"width": WIDTH, "height": HEIGHT}}}
            for frame in without_canvas(d)["frames"]
        ],
        {},
        None,
    ),
    "canvas in metadata beside numbered frames": (
        lambda d: {"info": {"canvas": [WIDTH, HEIGHT]}}
        | {str(i): frame for i, frame in enumerate(without_canvas(d)["frames"])},
        {},
        None,
    ),
    "other sizes in metadata": (
        lambda d: d | {"metadata": {"width": 2 * WIDTH, "height": HEIGHT}}, {}, None
    ),
    "canvas as strings": (
        lambda d: without_canvas(d) | {"width": str(WIDTH), "height": str(HEIGHT)}, {}, None
    ),
    "camelCase": (renamed, {}, None),
    "in data": (lambda d: {"data": d}, {}, None),
    "in two wrappers": (lambda d: {"status": "ok", "result": {"data": d["frames"]}}, {}, None),
    "frames by number": (
        lambda d: {f"frame_{i}": frame for i, frame in reversed([*enumerate(d["frames"])])},
        {},
        None,
    ),
    "frames by number in frames": (
        lambda d: {"frames": {str(i): frame for i, frame in enumerate(d["frames"])}}, {}, None
    ),
    "people by id": (
        lambda d: [
            f | {"people": {str(i): p for i, p in enumerate(f["people"])}} for f in d["frames"]
        ],
        {},
        None,
    ),
    "one person in place of people": (
        lambda d: [f | {"people": f["people"][0] if f["people"] else None} for f in d["frames"]],
        {},
        None,
    ),
    "joints as arrays": (
        each_person(lambda p: {BODY: [list(joint) for joint in points_of(p)]}), {}, None
    ),
    "joints as objects": (
        each_person(
            lambda p: {"keypoints": [{"x": x, "y": y, "score": c} for x, y, c in points_of(p)]}
        ),
        {},
        None,
    ),
    "pairs": (each_joint(lambda x, y, c: (x, y) if c else (0, 0)), {}, None),
    "pairs with -1": (each_joint(lambda x, y, c: (x, y) if c else (-1, -1)), {}, None),
    "pairs with null": (each_joint(lambda x, y, c: (x, y) if c else (None, None)), {}, None),
    "numbers as strings": (each_joint(lambda x, y, c: (str(x), str(y), str(c))), {}, None),
    "null without confidence": (
        each_joint(lambda x, y, c: (x, y, c) if c else (None, None, None)),
        {},
        "joints left out because their confidence is no number: 2, first in frame 0, person 0",
    ),
    "-1 for missing": (
        each_joint(lambda x, y, c: (x, y, c) if c else (-1, -1, -1)),
        {},
        "joints left out because their confidence is below 0: 2, first in",
    ),
    "-1 with confidence": (
        each_joint(lambda x, y, c: (x, y, c) if c else (-1, -1, 1)),
        {},
        "joints left out because they are at -1, -1: 2, first in",
    ),
    "NaN for missing": (
        each_joint(lambda x, y, c: (x, y, c) if c else (float("nan"), float("inf"), 0.7)),
        {},
        "joints left out because x or y is no number, or far out of the frame: 2, first in",
    ),
    "percents": (
        each_joint(lambda x, y, c: (x, y, 100 * c)), {}, "confidences are percents (up to 100)"
    ),
    "over 1": (
        each_joint(lambda x, y, c: (x, y, 6.3 if c else 0)),
        {},
        "confidences above 1 (the largest is 6.3) clipped to 1: 52",
    ),
    "person without a body": (
        with_another({BODY: []}),
        {},
        "people left out because they have no body keypoints: 4, first in frame 0, person 1",
    ),
    "person null": (
        with_another(None),
        {},
        "people left out because they have no body keypoints: 4",
    ),
    "person of 3 joints": (
        with_another({BODY: [1] * 9}),
        {},
        "people left out because their body cannot be read: 4, first in frame 0, person 1",
    ),
    "face of 69": (
        each_person(lambda p: p | {"face_keypoints_2d": [9, 9, 1] * 69}),
        {},
        "face_keypoints_2d left out because it has 207 numbers (69 joints), not 68 or 70 joints: 3",
    ),
    "face of 56": (
        each_person(lambda p: p | {"face_keypoints_2d": [9, 9, 1] * 56}), {}, "(56 joints)"
    ),
    "hand of 20": (
        each_person(lambda p: p | {"hand_left_keypoints_2d": [9, 9, 1] * 20}),
        {},
        "hand_left_keypoints_2d left out because it has 60 numbers (20 joints), not 21 joints: 3",
    ),
    "hand that is no array": (
        each_person(lambda p: p | {"hand_right_keypoints_2d": "none"}),
        {},
        "hand_right_keypoints_2d left out because it is 'none', not an array of numbers: 3, first",
    ),
    "frame without people": (
        lambda d: d["frames"] + [{"people": []}], {}, None
    ),
    "frames null and empty": (lambda d: [*d["frames"][:3], {}, None], {}, None),
    "AlphaPose": (
        lambda d: alphapose(d), {"canvas": "320x480"}, None
    ),
    "DWPose": (dwpose, {"canvas": "320x480"}, "coordinates are 0..1"),
    "MediaPipe": (mediapipe, {"canvas": "320x480"}, "coordinates are 0..1"),
    "arrays alone": (arrays, {"canvas": "320x480"}, None),
    "MMPose": (mmpose, {"canvas": "320x480"}, None),
    "editor": (
        lambda d: {"width": WIDTH, "height": HEIGHT,
                   "keypoints": [[[x, y] for x, y, _ in points_of(d["frames"][0]["people"][0])]]},
        {},
        None,
    ),
    **{
        f"layout {layout}": (
            other_layout(layout),
            {"layout": layout} if layout is Layout.COCO17 else {},
            None,
        )
        for layout in JOINT_ORDERS
    },
}  # fmt: skip


@pytest.mark.parametrize(("change", "options", "warning"), READ.values(), ids=READ)
def test_file_of_another_program_gives_the_same_poses(
    change: Change, options: dict[str, Any], warning: str | None
) -> None:
    data = json.dumps(change(document())).encode()
    read = read_pose_file(data, pose_file_options(**options), image_size=SIZE)
    expect_truth(read, len(read.frames))
    assert read.canvas == SIZE
    if warning is None:
        assert read.warnings == []
    else:
        assert len(read.warnings) == 1 and warning in read.warnings[0]


def test_tiny_canvas_holds_pixels() -> None:
    joints = [1.5, 1.0, 1.0] * 18
    frame = {"people": [{BODY: joints}], "canvas_width": 2, "canvas_height": 2}
    read = read_pose_file(json.dumps([frame]).encode())
    assert read.canvas == (2, 2) and read.warnings == []
    assert read.frames[0][0].keypoints.tolist() == [[1.5, 1.0]] * 18


def test_units_are_those_of_the_whole_file() -> None:
    content = each_joint(lambda x, y, c: (x / WIDTH, y / HEIGHT, c))(document())
    content["frames"][1]["people"][0][BODY][12] = 3.5  # a mistake of the detector
    read = read_pose_file(json.dumps(content).encode())
    assert "coordinates are 0..1" in read.warnings[0]
    assert read.frames[1][0].keypoints[4, 0] == 3.5 * WIDTH

    content["frames"][2] = document()["frames"][2]  # a third of the joints
    read = read_pose_file(json.dumps(content).encode())
    assert read.warnings == []
    assert read.frames[0][0].keypoints[0].tolist() == [0.5, 80 / HEIGHT]


def test_joints_in_space_are_refused() -> None:
    content = each_joint(lambda x, y, c: (x, y, 50 - y))(document())
    with pytest.raises(PoseFileError, match="third numbers of 52 joints are below 0, as in joints"):
        read_pose_file(json.dumps(content).encode())


def test_canvas_of_one_pixel_is_not_believed() -> None:
    content = each_joint(lambda x, y, c: (x / WIDTH, y / HEIGHT, c))(document())
    for frame in content["frames"]:
        frame |= {"canvas_width": 1, "canvas_height": 1}
    read = read_pose_file(json.dumps(content).encode(), image_size=SIZE)
    expect_truth(read, len(TRUTH))
    assert read.canvas == SIZE


def test_assumed_canvas_holds_all_joints() -> None:
    content = without_canvas(document())
    read = read_pose_file(json.dumps(content).encode(), image_size=(100, 100))
    assert read.canvas == (420, 247)
    assert read.warnings == [
        "the file has no canvas; 247x420 is assumed, which holds all joints (give canvas to change"
        " it)"
    ]


def test_frames_that_alphapose_leaves_out_have_no_people() -> None:
    entries = alphapose(document())
    read = read_pose_file(json.dumps([entries[0], entries[2]]).encode(), image_size=SIZE)
    assert [len(people) for people in read.frames] == [1, 1]
    later = entries[0] | {"image_id": "5.jpg"}
    read = read_pose_file(json.dumps([*entries, later]).encode(), image_size=SIZE)
    assert [len(people) for people in read.frames] == [1, 1, 1, 0, 0, 1]


def test_hands_and_face_of_a_layout_are_read() -> None:
    joints = [[float(number), 7.0, 0.5] for number in range(133)]
    (pose,) = read_pose_file(
        json.dumps([{"people": [{BODY: joints}]}]).encode(), image_size=(200, 200)
    ).frames[0]
    assert pose.face is not None and pose.hand_left is not None and pose.hand_right is not None
    assert pose.face[:68, 0].tolist() == list(range(23, 91)) and pose.face[68:].max() == 0
    assert pose.hand_left[:, 0].tolist() == list(range(91, 112))
    assert pose.hand_right[:, 0].tolist() == list(range(112, 133))
    assert pose.keypoints[Joint.RIGHT_ANKLE].tolist() == [16, 7]


def test_many_kinds_of_damage_are_summed_up() -> None:
    content = document()
    for count in range(1, 20):
        hand = {"hand_left_keypoints_2d": [1, 2, 1] * count}
        content["frames"][0]["people"].append(content["frames"][0]["people"][0] | hand)
    warnings = read_pose_file(json.dumps(content).encode()).warnings
    assert len(warnings) == 9 and warnings[-1] == "other changes: 10"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"layout": "halpe"},
            "layout is 'halpe'; it must be one of auto, openpose18, body25, coco",
        ),
        ({"canvas": "big"}, "canvas is 'big'; it must be WIDTHxHEIGHT, such as 1280x720"),
        ({"fps": 0.0}, "fps is 0; it must be from 0.1 to 1000"),
    ],
)
def test_invalid_option_is_rejected(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        pose_file_options(**options)


def expect_truth(read: PoseDocument[Pose], frames: int) -> None:
    for people, expected in zip(read.frames, TRUTH[:frames], strict=False):
        assert len(people) == len(expected)
        for pose, truth in zip(people, expected, strict=True):
            seen = truth[:, 2] > 0
            assert np.array_equal(pose.detected, seen)
            assert np.allclose(pose.keypoints[seen], truth[seen, :2], rtol=0, atol=1e-9)
