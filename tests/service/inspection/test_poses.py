"""The gateway takes the pose files that the worker's reader takes, and refuses those it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from media.poses.pose_file import read_pose_file
from service.contract.errors import ErrorCode
from service.contract.limits import InputLimits
from service.errors import RejectedError
from service.inspection.decoder import Decoder
from service.inspection.inspector import inspect_inputs
from tcan_core.errors import PoseFileError

LEFT, RIGHT, FACE = "hand_left_keypoints_2d", "hand_right_keypoints_2d", "face_keypoints_2d"
NAN, INFINITY = float("nan"), float("inf")


def _person(joints: int = 18, **more: Any) -> dict[str, Any]:
    return {"pose_keypoints_2d": [1.5, 2.5, 0.5] * joints, **more}


def _frame(*people: Any, **more: Any) -> dict[str, Any]:
    return {"people": list(people), "canvas_width": 64, "canvas_height": 48, **more}


def _joint(x: Any, y: Any, confidence: Any, joints: int = 18) -> list[Any]:
    """Two frames; the second has a person whose fourth joint is this one."""
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

# With the words in which the gateway refuses it.
BAD: dict[str, tuple[Any, str]] = {
    "canvas changes": (
        [_frame(_person()), _frame(canvas_width=65)],
        "frame 1 has a canvas of 65x48, but frame 0 has 64x48",
    ),
    "canvas 64.5": (
        [_frame(_person(), canvas_width=64.5)],
        "frame 0, canvas_width: is 64.5; it must be a whole number from 1 to 16,384",
    ),
    "canvas almost whole": (
        [_frame(_person(), canvas_width=64.000000001)],
        "canvas_width: is 64.0",
    ),
    "canvas too wide": ([_frame(_person(), canvas_width=16385)], "canvas_width: is 16385"),
    "canvas 0": ([_frame(_person(), canvas_height=0)], "canvas_height: is 0"),
    "canvas true": ([_frame(_person(), canvas_height=True)], "canvas_height: is true"),
    "canvas a string": ([_frame(_person(), canvas_height="48")], "canvas_height: is '48'"),
    "canvas null": ([_frame(_person(), canvas_height=None)], "canvas_height: is null"),
    "canvas NaN": ([_frame(_person(), canvas_height=NAN)], "canvas_height: is nan"),
    "canvas infinite": ([_frame(_person(), canvas_height=INFINITY)], "canvas_height: is inf"),
    "no canvas": (_without("canvas_width"), "frame 0, canvas_width: Field required"),
    "no people": (_without("people"), "frame 0, people: Field required"),
    "people null": ([_frame(people=None)], "frame 0, people: Input should be a valid"),
    "person null": ([_frame(None)], "frame 0, people, 0: Input should be"),
    "101 people": ([_frame(*[_person()] * 101)], "at most 100 items"),
    "no body": ([_frame({})], "pose_keypoints_2d: Field required"),
    "body null": ([_frame({"pose_keypoints_2d": None})], "is null; it must be an array"),
    "body empty": ([_frame({"pose_keypoints_2d": []})], "has 0 numbers; 18 joints"),
    "COCO": ([_frame(_person(17))], "has 17 joints"),
    "one number more": ([_frame({"pose_keypoints_2d": [1] * 55})], "has 55 numbers; 18 joints"),
    "confidence 7": (
        _joint(1, 2, 7.0),
        "frame 1, people, 1, pose_keypoints_2d: number 11 is 7.0; "
        "confidence must be a number from 0 to 1.5",
    ),
    "confidence below 0": (_joint(1, 2, -0.1), "number 11 is -0.1; confidence"),
    "confidence null": (_joint(1, 2, None), "number 11 is null; confidence"),
    "confidence NaN": (_joint(1, 2, NAN), "number 11 is nan; confidence"),
    "confidence true": (_joint(1, 2, True), "number 11 is true; confidence"),
    "x far out": (
        _joint(1e9, 2, 1),
        "number 9 is 1000000000.0; x must be a number from -1,000,000 to 1,000,000",
    ),
    "y far out": (_joint(1, -1e9, 1), "number 10 is -1000000000.0; y must"),
    "x of 400 digits": (_joint(10**400, 2, 1), "number 9 is 1000"),
    "x NaN": (_joint(NAN, 2, 1), "number 9 is nan; x must"),
    "y infinite": (_joint(1, INFINITY, 1), "number 10 is inf; y must"),
    "x a string": (_joint("4", 2, 1), "number 9 is '4'; x must"),
    "x true": (_joint(True, 2, 1, joints=25), "number 9 is true; x must"),
    "x an array": (_joint([1], 2, 1), "number 9 is an array; x must"),
    "hand of 3 numbers": (
        _one(**{LEFT: [1, 1, 1]}),
        "frame 0, people, 0, hand_left_keypoints_2d: has 3 numbers; "
        "21 joints (63 numbers) are taken",
    ),
    "hand far out": (_one(**{RIGHT: [1, 2, 1] * 20 + [1e9, 2, 1]}), "number 60 is 1000000000.0"),
    "hand false": (_one(**{RIGHT: False}), "hand_right_keypoints_2d: is false"),
    "hand an object": (_one(**{RIGHT: {}}), "hand_right_keypoints_2d: is an object"),
    "face of 69": (_one(**{FACE: [1, 2, 1] * 69}), "has 207 numbers; 70 joints (210 numbers) or"),
    "face a string": (_one(**{FACE: "x"}), "face_keypoints_2d: is 'x'; it must be an array"),
    "fps 0": (_file(fps=0), "fps: is 0; it must be above 0 and at most 1,000"),
    "fps 1001": (_file(fps=1001), "fps: is 1001;"),
    "fps a string": (_file(fps="25"), "fps: is '25';"),
    "fps true": (_file(fps=True), "fps: is true;"),
    "fps NaN": (_file(fps=NAN), "fps: is nan;"),
    "fps of one frame alone": (_frame(_person(), fps=-1), "fps: is -1;"),
    "no frame": ([], "holds no frame"),
    "frames null": (_frame(_person(), frames=None), "Input should be a valid"),
    "neither frames nor people": ({"fps": 3}, "has neither frames nor people"),
    "frame a number": ([_frame(_person()), 3], "frame 1: Input should be"),
    "nested beyond reason": (b"[" * 200_000, "not a pose file"),
    "cut off": (json.dumps(_file()).encode()[:-9], "not a pose file: Invalid JSON"),
    "not UTF-8": (b'[{"\xff": 3}]', "not a pose file: Invalid JSON"),
    "number of 5000 digits": (
        json.dumps(_file()).replace("48", "9" * 5000).encode(),
        "not a pose file: Invalid JSON",
    ),
}


@pytest.mark.parametrize(
    ("document", "refusal"),
    [pytest.param(document, None, id=name) for name, document in GOOD.items()]
    + [pytest.param(document, refusal, id=name) for name, (document, refusal) in BAD.items()],
)
def test_the_gateway_and_the_worker_agree(
    document: Any, refusal: str | None, decoder: Decoder
) -> None:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    try:
        frames = len(read_pose_file(content).frames)
    except PoseFileError:
        assert refusal is not None, "the worker refuses it"
        with pytest.raises(RejectedError) as refused:
            inspect_inputs({"driving": content}, InputLimits(), decoder)
        assert refused.value.code is ErrorCode.INVALID_POSE_FILE
        assert refusal in str(refused.value)
    else:
        assert refusal is None, "the worker takes it"
        assert (
            inspect_inputs({"driving": content}, InputLimits(), decoder)["driving"].frames == frames
        )


def test_the_joints_that_openpose18_lacks_show_nobody(decoder: Decoder) -> None:
    person = {"pose_keypoints_2d": [1, 2, 0] * 8 + [1, 2, 1] + [1, 2, 0] * 10 + [1, 2, 1] * 6}
    content = json.dumps(_frame(person)).encode()
    (people,) = read_pose_file(content).frames
    assert not people[0].detected.any()
    with pytest.raises(RejectedError) as refused:
        inspect_inputs({"driving": content}, InputLimits(), decoder)
    assert refused.value.code is ErrorCode.NO_PERSON
