"""Pose files are validated without numpy; every error names its place in the file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from media.errors import PoseFileError, Problem
from media.limits import PoseFileLimits
from media.poses.document import parse_pose_file
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
    "canvas a string": ([_frame(_person(), canvas_height="48")], "canvas_height is '48'"),
    "canvas null": ([_frame(_person(), canvas_height=None)], "canvas_height is null"),
    "canvas NaN": ([_frame(_person(), canvas_height=NAN)], "canvas_height is nan"),
    "canvas infinite": ([_frame(_person(), canvas_height=INFINITY)], "canvas_height is inf"),
    "no canvas": (_without("canvas_width"), "frame 0: canvas_width is missing"),
    "no people": (_without("people"), "frame 0: people is missing"),
    "people null": ([_frame(people=None)], "frame 0: people is null; it must be an array"),
    "person null": ([_frame(None)], "frame 0, person 0 is null; it must be an object"),
    "101 people": (
        [_frame(*[_person()] * 101)],
        "there are 101 people; at most 100",
    ),
    "no body": ([_frame({})], "pose_keypoints_2d is missing; it must hold 54 numbers"),
    "body null": ([_frame({"pose_keypoints_2d": None})], "pose_keypoints_2d is null; it must hold"),
    "body empty": (
        [_frame({"pose_keypoints_2d": []})],
        "has 0 numbers (0 joints); it must",
    ),
    "COCO": ([_frame(_person(17))], "has 51 numbers (17 joints)"),
    "one number more": (
        [_frame({"pose_keypoints_2d": [1] * 55})],
        "(no whole number of joints)",
    ),
    "confidence 7": (
        _joint(1, 2, 7.0),
        "frame 1, person 1: pose_keypoints_2d[11] is 7.0; "
        "confidence must be a number from 0 to 1.5",
    ),
    "confidence below 0": (_joint(1, 2, -0.1), "[11] is -0.1; confidence"),
    "confidence null": (_joint(1, 2, None), "[11] is null; confidence"),
    "confidence NaN": (_joint(1, 2, NAN), "[11] is nan; confidence"),
    "confidence true": (_joint(1, 2, True), "[11] is true; confidence"),
    "x far out": (
        _joint(1e9, 2, 1),
        "[9] is 1000000000.0; x must be a number from -1,000,000 to 1,000,000",
    ),
    "y far out": (_joint(1, -1e9, 1), "[10] is -1000000000.0; y must"),
    "x of 400 digits": (_joint(10**400, 2, 1), "[9] is 1000"),
    "x NaN": (_joint(NAN, 2, 1), "[9] is nan; x must"),
    "y infinite": (_joint(1, INFINITY, 1), "[10] is inf; y must"),
    "x a string": (_joint("4", 2, 1), "[9] is '4'; x must"),
    "x true": (_joint(True, 2, 1, joints=25), "[9] is true; x must"),
    "x an array": (_joint([1], 2, 1), "[9] is an array; x must"),
    "hand of 3 numbers": (
        _one(**{LEFT: [1, 1, 1]}),
        "frame 0, person 0: hand_left_keypoints_2d has 3 numbers (1 joints); "
        "it must hold 63 numbers (21 joints)",
    ),
    "hand far out": (_one(**{RIGHT: [1, 2, 1] * 20 + [1e9, 2, 1]}), "[60] is 1000000000.0"),
    "hand false": (_one(**{RIGHT: False}), "hand_right_keypoints_2d is false"),
    "hand an object": (_one(**{RIGHT: {}}), "hand_right_keypoints_2d is an object"),
    "face of 69": (_one(**{FACE: [1, 2, 1] * 69}), "has 207 numbers (69 joints); it must hold 210"),
    "face a string": (_one(**{FACE: "x"}), "face_keypoints_2d is 'x'; it must be an array"),
    "fps 0": (_file(fps=0), "fps is 0; it must be above 0 and at most 1000"),
    "fps 1001": (_file(fps=1001), "fps is 1001;"),
    "fps a string": (_file(fps="25"), "fps is '25';"),
    "fps true": (_file(fps=True), "fps is true;"),
    "fps NaN": (_file(fps=NAN), "fps is nan;"),
    "fps of one frame alone": (_frame(_person(), fps=-1), "fps is -1;"),
    "no frame": ([], "has 0 frames; 1 to 9,000 are allowed"),
    "frames null": (
        _frame(_person(), frames=None),
        "not a pose file; it must be an array of frames",
    ),
    "neither frames nor people": ({"fps": 3}, "not a pose file; it must be an array of frames"),
    "frame a number": ([_frame(_person()), 3], "frame 1 is 3; it must be an object with people"),
    "nested too deeply": (b"[" * 200_000, "not a pose file"),
    "cut off": (
        json.dumps(_file()).encode()[:-9],
        "not JSON (line 1, column 341:",
    ),
    "not UTF-8": (b'[{"\xff": 3}]', "not text in UTF-8 (byte 3)"),
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
