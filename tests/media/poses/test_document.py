"""Pose files are validated without numpy; every error names its place in the file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from media.errors import PoseFileError, Problem
from media.limits import PoseFileLimits
from media.poses.document import check_pose_file, parse_pose_file
from media.poses.pose_file import read_pose_file

LEFT, RIGHT, FACE = "hand_left_keypoints_2d", "hand_right_keypoints_2d", "face_keypoints_2d"
NAN, INFINITY = float("nan"), float("inf")


def _person(joints: int = 18, **more: Any) -> dict[str, Any]:
    return {"pose_keypoints_2d": [1.5, 2.5, 0.5] * joints, **more}


def _frame(*people: Any, **more: Any) -> dict[str, Any]:
    return {"people": list(people), "canvas_width": 64, "canvas_height": 48, **more}


def _joint(x: Any, y: Any, confidence: Any, joints: int = 18) -> list[Any]:
    """Return two frames; the second has a person with this fourth joint."""
    person = _person(joints)
    person["pose_keypoints_2d"][9:12] = [x, y, confidence]
    return [_frame(_person()), _frame(_person(), person)]


def _file(**more: Any) -> dict[str, Any]:
    return {"frames": [_frame(_person())], **more}


def _one(**person: Any) -> list[Any]:
    return [_frame(_person(**person))]


def _without(key: str) -> list[Any]:
    return [{name: value for name, value in _frame(_person()).items() if name != key}]


GOOD: dict[str, Any] = {
    "array": [_frame(_person()), _frame()],
    "object": _file(),
    "one frame alone": _frame(_person()),
    "one frame alone with a rate": _frame(_person(), fps=25),
    "frames before people": _file(people=3),
    "BODY_25": [_frame(_person(25))],
    "two layouts": [_frame(_person(25), _person(18))],
    "fps null": _file(fps=None),
    "fps 500": _file(fps=500),
    "fps 1000": _file(fps=1000),
    "fps 0.5": _file(fps=0.5),
    "canvas 64.0": [_frame(_person(), canvas_width=64.0)],
    "canvas of the widest": [_frame(_person(), canvas_width=16384)],
    "no hand": _one(**{LEFT: None, RIGHT: []}),
    "two hands": _one(**{LEFT: [1, 2, 1] * 21, RIGHT: [0, 0, 0] * 21}),
    "face": _one(**{FACE: [1, 2, 1.04] * 70}),
    "face without pupils": _one(**{FACE: [1, 2, 1.04] * 68}),
    "UTF-16": json.dumps(_file()).encode("utf-16"),
    "UTF-16 without a mark": json.dumps(_file()).encode("utf-16-be"),
    "UTF-16 after a blank line": f"\n {json.dumps(_file())}".encode("utf-16-le"),
    "UTF-32 without a mark": json.dumps(_file()).encode("utf-32-le"),
    "UTF-32": json.dumps(_file()).encode("utf-32"),
    "other keys": [_frame(_person(face=3, person_id=[-1]), version=1.3)],
    "100 people": [_frame(*[_person()] * 100)],
    "confidence 1.5": _joint(1, 2, 1.5),
    "whole numbers": _joint(1, 2, 1),
    "far out": _joint(-1_000_000, 1e6, 1),
    "undetected and null": _joint(None, None, 0),
    "undetected and NaN": _joint(NAN, NAN, 0.0),
    "undetected and far": _joint(1e9, "x", -0.0),
    "byte order mark": b"\xef\xbb\xbf" + json.dumps(_file()).encode(),
}

# Invalid documents, each with a part of the message.
BAD: dict[str, tuple[Any, str]] = {
    "canvas changes": (
        [_frame(_person()), _frame(canvas_width=65)],
        "frame 1: the canvas is 65x48, but frame 0 has 64x48; all frames must share one canvas",
    ),
    "canvas 64.5": (
        [_frame(_person(), canvas_width=64.5)],
        "frame 0: canvas_width is 64.5; it must be a whole number from 1 to 16384",
    ),
    "canvas almost whole": (
        [_frame(_person(), canvas_width=64.000000001)],
        "canvas_width is 64.0",
    ),
    "canvas too wide": ([_frame(_person(), canvas_width=16385)], "canvas_width is 16385"),
    "canvas 0": ([_frame(_person(), canvas_height=0)], "canvas_height is 0"),
    "canvas true": ([_frame(_person(), canvas_height=True)], "canvas_height is true"),
    "canvas null": ([_frame(_person(), canvas_height=None)], "canvas_height is missing"),
    "canvas NaN": ([_frame(_person(), canvas_height=NAN)], "canvas_height is nan"),
    "canvas infinite": ([_frame(_person(), canvas_height=INFINITY)], "canvas_height is inf"),
    "no canvas": (_without("canvas_width"), "frame 0: canvas_width is missing"),
    "no people": (_without("people"), "frame 0: people is missing"),
    "101 people": (
        [_frame(*[_person()] * 101)],
        "there are 101 people; at most 100",
    ),
    "COCO": (
        [_frame(_person(17))],
        "frame 0, person 0: pose_keypoints_2d has 51 numbers (17 joints), not 18, 25, 26, 33, 133"
        " or 136 joints; for COCO's 17 joints give layout coco17",
    ),
    "fingers": (
        [_frame(_person(7))],
        "layouts are openpose18, body25, coco17, halpe26, med",
    ),
    "no joint that can be read": (
        [_frame({"pose_keypoints_2d": [INFINITY, 1, 1] * 18})],
        "pose_keypoints_2d has no joint that can be read; joints left out because"
        " x or y is no number, or far out of the frame: 18, first in frame 0, person 0",
    ),
    "body a string": ([_frame({"pose_keypoints_2d": "x"})], "is 'x', not an array of numbers"),
    "joints of 4": (
        [_frame({"pose_keypoints_2d": [[1, 2, 3, 1]] * 18})],
        "has joints that are not [x, y, confidence] or [x, y]",
    ),
    "3-D in a row": (
        [_frame({"pose_keypoints_2d": [1, 2, 3, 1] * 25})],
        "has 100 numbers, like joints in 3-D; each joint needs x, y, confidence",
    ),
    "3-D only": (
        [_frame({"pose_keypoints_2d": [], "pose_keypoints_3d": [1, 2, 3, 1] * 25})],
        "there are 3-D keypoints only; give pose_keypoints_2d",
    ),
    "0..1 without a canvas": (
        [{"people": [{"pose_keypoints_2d": [0.5, 0.25, 1] * 18}]}],
        "coordinates are fractions of a frame, not pixels, and the size of the frame is missing",
    ),
    "one number more": (
        [_frame({"pose_keypoints_2d": [1] * 55})],
        "(no whole joints)",
    ),
    "fps 0": (_file(fps=0), "fps is 0; it must be from 0.1 to 1000"),
    "fps 1001": (_file(fps=1001), "fps is 1001;"),
    "fps true": (_file(fps=True), "fps is true;"),
    "fps NaN": (_file(fps=NAN), "fps is nan;"),
    "fps of one frame alone": (_frame(_person(), fps=-1), "fps is -1;"),
    "no frame": ([], "has 0 frames; 1 to 9,000 are allowed"),
    "frames null": (
        _frame(_person(), frames=None),
        "not a pose file; it must be an array of frames",
    ),
    "people a number": ([_frame(people=3)], "frame 0: people is 3; it must be an array"),
    "neither frames nor people": ({"fps": 3}, "not a pose file; it must be an array of frames"),
    "frame a number": ([_frame(_person()), 3], "frame 1 is 3; it must be an object with people"),
    "nested too deeply": (b"[" * 200_000, "not a pose file"),
    "cut off": (
        json.dumps(_file()).encode()[:-9],
        "not JSON (line 1, column 341:",
    ),
    "not UTF-8": (b'[{"\xff": 3}]', "not text in UTF-8 (byte 3); save the file as UTF-8"),
    "number of 5000 digits": (
        json.dumps(_file()).replace("48", "9" * 5000).encode(),
        "not a pose file; nested too deeply, or a number has too many digits",
    ),
}


def _data(document: Any) -> bytes:
    return document if isinstance(document, bytes) else json.dumps(document).encode()


@pytest.mark.parametrize("document", GOOD.values(), ids=GOOD)
def test_valid_file_is_accepted(document: Any) -> None:
    frames = parse_pose_file("a", _data(document)).frames
    poses = read_pose_file(_data(document)).frames
    assert [len(people) for people in frames] == [len(people) for people in poses]
    for people, posed in zip(frames, poses, strict=True):
        assert [person.is_detected for person in people] == [p.detected.any() for p in posed]


@pytest.mark.parametrize(("document", "message"), BAD.values(), ids=BAD)
def test_invalid_file_is_rejected_with_the_place_of_the_error(document: Any, message: str) -> None:
    for read in (lambda data: parse_pose_file("the pose file", data), read_pose_file):
        with pytest.raises(PoseFileError) as raised:
            read(_data(document))
        assert str(raised.value).startswith("the pose file: ") and message in str(raised.value)
        assert raised.value.problem is Problem.INVALID


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"people": []}, "the one frame of poses; at least one frame needs people"),
        ([_frame(), _frame(people=None)], "any of the 2 frames"),
        ([_frame({"pose_keypoints_2d": []})], "people left out because they have no body"),
        ([_frame({"pose_keypoints_2d": [1, 1, 0] * 18})], "joints of a confidence above 0"),
    ],
)
def test_file_without_people_cannot_drive(document: Any, reason: str) -> None:
    assert not parse_pose_file("a", _data(document)).has_person
    with pytest.raises(PoseFileError, match=f"^driving: no person in .*{reason}") as raised:
        check_pose_file("driving", _data(document), PoseFileLimits())
    assert raised.value.problem is Problem.NO_PERSON


def test_person_without_openpose18_joints_is_not_detected() -> None:
    person = {"pose_keypoints_2d": [1, 2, 0] * 8 + [1, 2, 1] + [1, 2, 0] * 10 + [1, 2, 1] * 6}
    document = parse_pose_file("a", _data(_frame(person)))
    assert not document.frames[0][0].is_detected


@pytest.mark.parametrize(
    ("limits", "message", "problem"),
    [
        (PoseFileLimits(max_bytes=10), "at most 10 are allowed", Problem.TOO_LARGE),
        (PoseFileLimits(max_frames=1), "has 2 frames; 1 to 1 are allowed", Problem.TOO_LONG),
        (PoseFileLimits(min_side=49), "64x48 pixels; each side must be at least 49", "invalid"),
        (PoseFileLimits(max_pixels=3000), "width times height at most 3,000", "invalid"),
    ],
)
def test_limit_is_enforced(limits: PoseFileLimits, message: str, problem: Problem) -> None:
    with pytest.raises(PoseFileError) as raised:
        parse_pose_file("a", _data([_frame(_person())] * 2), limits=limits)
    assert message in str(raised.value)
    assert raised.value.problem == problem
