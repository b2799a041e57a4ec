"""Pose files are read and written exactly; invalid files are rejected."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from media.limits import PoseFileLimits
from media.poses.document import pose_file_options
from media.poses.joints import Joint
from media.poses.keypoints import Pose
from media.poses.pose_file import (
    pose_from_json,
    pose_to_json,
    read_pose_file,
    write_pose_file,
)
from tcan_core.errors import ParameterError, PoseFileError
from tests.tcan_core.conditioning.make_poses import moving, standing, with_random_gaps, without


def _person(joints: int = 18, **more: Any) -> dict[str, Any]:
    return {"pose_keypoints_2d": [1.5, 2.5, 0.5] * joints, **more}


def _frame(*people: Any, **more: Any) -> dict[str, Any]:
    return {"people": list(people), "canvas_width": 64, "canvas_height": 48, **more}


def _read(document: Any, **options: Any) -> Any:
    names = ("layout", "canvas", "fps")
    own = pose_file_options(**{name: options.pop(name) for name in names if name in options})
    return read_pose_file(json.dumps(document).encode(), own, **options)


def assert_equal(pose: Pose, other: Pose) -> None:
    seen = pose.detected
    assert np.array_equal(pose.confidence, other.confidence)
    assert np.array_equal(pose.keypoints[seen], other.keypoints[seen])
    assert pose.canvas == other.canvas
    for part in ("hand_left", "hand_right", "face"):
        assert np.array_equal(getattr(pose, part), getattr(other, part))


@pytest.mark.parametrize("fps", [None, 25.0, 30000 / 1001])
def test_written_file_is_read_back_exactly(tmp_path: Path, fps: float | None) -> None:
    random = np.random.default_rng(0)
    frames = [[with_random_gaps(random, pose, 0.2)] for pose in moving(random, 10)]
    frames[3] = []
    hand, face = random.uniform(0, 1, (21, 3)), random.uniform(0, 1, (70, 3))
    frames[5] += [replace(standing(), hand_left=hand, face=face), without(standing(), 4)]

    write_pose_file(tmp_path / "poses.json", frames, fps)
    result = read_pose_file(tmp_path / "poses.json")

    assert (result.fps, result.canvas) == (fps, (256, 256))
    assert [len(people) for people in result.frames] == [len(people) for people in frames]
    for people, expected in zip(result.frames, frames, strict=True):
        for pose, truth in zip(people, expected, strict=True):
            assert_equal(pose, truth)
    assert [path.name for path in tmp_path.iterdir()] == ["poses.json"]


def test_format_matches_openpose_editors(tmp_path: Path) -> None:
    write_pose_file(tmp_path / "poses.json", [[without(standing(), 0)]])
    (frame,) = json.loads((tmp_path / "poses.json").read_text())
    assert set(frame) == {"people", "canvas_width", "canvas_height"}
    (person,) = frame["people"]
    assert len(person["pose_keypoints_2d"]) == 54
    assert person["pose_keypoints_2d"][:3] == [0, 0, 0]
    assert person["hand_left_keypoints_2d"] is None


def test_arrays_objects_and_single_frames_are_read() -> None:
    frame = _frame(_person())
    assert len(_read([frame, frame]).frames) == 2
    assert _read({"fps": 12, "frames": [frame]}).fps == 12.0
    assert _read({"frames": [frame]}).fps is None
    assert len(_read(frame).frames) == 1
    assert _read([frame]).canvas == (48, 64)


def test_byte_order_mark_is_ignored() -> None:
    data = "\ufeff".encode() + json.dumps([_frame()]).encode()
    assert read_pose_file(data).frames == [[]]


def test_empty_frames_and_parts_are_read() -> None:
    person = _person(hand_left_keypoints_2d=None, hand_right_keypoints_2d=[], face=3)
    result = _read([_frame(), _frame(person)])
    assert result.frames[0] == []
    (pose,) = result.frames[1]
    assert (pose.hand_left, pose.hand_right, pose.face) == (None, None, None)


def test_coordinates_of_undetected_joints_are_ignored() -> None:
    person = _person()
    person["pose_keypoints_2d"][6:9] = [None, float("nan"), 0]
    (pose,) = _read([_frame(person)]).frames[0]
    assert pose.keypoints[2].tolist() == [0, 0] and not pose.detected[2]


def test_face_without_pupils_and_confidence_above_one_are_read() -> None:
    person = _person(face_keypoints_2d=[1.0, 2.0, 1.04] * 68)
    (pose,) = _read([_frame(person)]).frames[0]
    assert pose.face.shape == (70, 3)
    assert (pose.face[:68, 2] == 1).all() and (pose.face[68:] == 0).all()


def test_body25_is_detected_by_its_number_of_joints() -> None:
    joints = [[10.0 * i, 10.0 * i + 1, 0.9] for i in range(25)]
    (pose,) = _read([_frame({"pose_keypoints_2d": sum(joints, [])})]).frames[0]
    order = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]
    assert pose.keypoints[:, 0].tolist() == [10.0 * i for i in order]
    assert pose.keypoints[Joint.RIGHT_HIP, 0] == 90 and pose.keypoints[Joint.LEFT_EAR, 0] == 180


def test_coco17_is_read_only_when_requested() -> None:
    joints = [[10.0 * i, 5.0 * i, 0.5 + i / 50] for i in range(17)]
    document = [_frame({"pose_keypoints_2d": sum(joints, [])})]
    (pose,) = _read(document, layout="coco17").frames[0]
    assert pose.keypoints[Joint.NECK].tolist() == [55, 27.5]
    assert pose.confidence[Joint.NECK] == pytest.approx(0.6)
    by_name = {Joint.NOSE: 0, Joint.LEFT_EYE: 1, Joint.RIGHT_SHOULDER: 6, Joint.LEFT_WRIST: 9}
    for joint, index in {**by_name, Joint.RIGHT_ANKLE: 16}.items():
        assert pose.keypoints[joint].tolist() == joints[index][:2]
    with pytest.raises(PoseFileError, match=r"has 51 numbers \(17 joints\).*give layout coco17"):
        _read(document)


def test_coco_visibility_flags_become_confidence() -> None:
    flags = [1.0, 1.0, 2] * 5 + [0, 0, 0] + [1.0, 1.0, 1] * 11
    (pose,) = _read([_frame({"pose_keypoints_2d": flags})], layout="coco17").frames[0]
    assert pose.confidence[Joint.NOSE] == 1
    assert not pose.detected[Joint.LEFT_SHOULDER] and not pose.detected[Joint.NECK]


@pytest.mark.parametrize(
    ("layout", "joints"), [("openpose18", 25), ("body25", 18), ("coco17", 18), ("auto", 17)]
)
def test_other_layouts_than_the_requested_one_are_rejected(layout: str, joints: int) -> None:
    with pytest.raises(PoseFileError, match=rf"\({joints} joints\), not "):
        _read([_frame(_person(joints))], layout=layout)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"the file is empty"),
        (b"{", r"not JSON \(line 1, column 2"),
        (b"\x89PNG\r\n", r"not text in UTF-8 \(byte 0\)"),
        (b"[" * 200_000, r"not a pose file"),
        (
            b'[{"people": [], "canvas_width": ' + b"9" * 5000 + b', "canvas_height": 4}]',
            "not a pose",
        ),
    ],
)
def test_invalid_json_is_rejected(data: bytes, message: str) -> None:
    with pytest.raises(PoseFileError, match=message):
        read_pose_file(data)


def test_limits_are_enforced() -> None:
    document = [_frame(_person(), _person())] * 3
    with pytest.raises(PoseFileError, match=r"has [\d,]+ bytes; at most 100 are allowed"):
        _read(document, limits=PoseFileLimits(max_bytes=100))
    with pytest.raises(PoseFileError, match="has 3 frames; 1 to 2 are allowed"):
        _read(document, limits=PoseFileLimits(max_frames=2))
    with pytest.raises(PoseFileError, match="frame 0: there are 2 people; at most 1 are allowed"):
        _read(document, limits=PoseFileLimits(max_people=1))
    with pytest.raises(ParameterError, match="max_people is 0"):
        PoseFileLimits(max_people=0)


def test_missing_and_unwritable_files_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(PoseFileError, match=r"^a\.json: cannot be read \(No such file"):
        read_pose_file(tmp_path / "a.json")
    with pytest.raises(PoseFileError, match=r"^a\.json: cannot be written"):
        write_pose_file(tmp_path / "no" / "a.json", [[standing()]])
    with pytest.raises(ParameterError, match="layout is 'halpe'; it must be one of auto"):
        _read([_frame()], layout="halpe")


def test_pose_is_restored_from_json() -> None:
    hand = np.random.default_rng(1).uniform(0, 1, (21, 3))
    pose = without(replace(standing(), hand_right=hand), Joint.NOSE)
    assert_equal(pose_from_json(json.loads(json.dumps(pose_to_json(pose)))), pose)
    with pytest.raises(PoseFileError, match="there are 0 people; there must be one"):
        pose_from_json(_frame())


def test_write_rejects_missing_frames_and_mixed_canvases(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(ParameterError, match="at least one frame"):
        write_pose_file(path, [])
    with pytest.raises(ParameterError, match="no frame has a person"):
        write_pose_file(path, [[], []])
    with pytest.raises(ParameterError, match="all frames must share one"):
        write_pose_file(path, [[standing()], [standing(canvas=(64, 64))]])
    write_pose_file(path, [[], []], 12, canvas=(48, 64))
    assert read_pose_file(path).frames == [[], []]
