"""Check and convert the parsed JSON of a pose file, with errors that say where they are."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from media.errors import ParameterError, PoseFileError
from media.poses.keypoints import NUM_FACE_JOINTS, NUM_HAND_JOINTS, Pose
from media.poses.layouts import JOINT_COUNTS, Layout, from_body25, from_coco17

BODY, HAND_LEFT, HAND_RIGHT, FACE = (
    f"{part}_keypoints_2d" for part in ("pose", "hand_left", "hand_right", "face")
)
MAX_COORDINATE = 1_000_000.0  # pixels; further out is no joint of a picture but a mistake
MAX_CONFIDENCE = 1.5  # detectors overshoot 1 a little; what they overshoot is cut off
_FACE_WITHOUT_PUPILS = 68


@dataclass(frozen=True)
class PoseFileLimits:
    """How large a pose file may be.

    Attributes:
        max_bytes: size of the file.
        max_frames: frames.
        max_people: people in one frame.
        max_side: width and height of the canvas in pixels.

    Raises:
        ParameterError: a limit is not positive.
    """

    max_bytes: int = 128 * 1024 * 1024
    max_frames: int = 9_000
    max_people: int = 100
    max_side: int = 16_384

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise ParameterError(f"{field.name} is {value}; it must be above 0")

    def check_bytes(self, name: str, size: int) -> None:
        """Raise PoseFileError when a file is empty or too large."""
        if size == 0:
            raise PoseFileError(f"{name}: the file is empty (0 bytes)")
        if size > self.max_bytes:
            raise PoseFileError(
                f"{name}: the file has {size:,} bytes; at most {self.max_bytes:,} are allowed"
            )


def parse_frames(
    name: str, frames: list[Any], layout: Layout, limits: PoseFileLimits
) -> tuple[list[list[Pose]], tuple[int, int]]:
    """Return the people of each frame and their common canvas, (height, width).

    Raises:
        PoseFileError: see `pose_file.read_pose_file`.
    """
    if not 1 <= len(frames) <= limits.max_frames:
        raise PoseFileError(
            f"{name}: the file has {len(frames):,} frames; 1 to {limits.max_frames:,} are allowed"
        )
    canvas = _canvas(f"{name}: frame 0", frames[0], limits)
    people = []
    for index, frame in enumerate(frames):
        where = f"{name}: frame {index}"
        own = _canvas(where, frame, limits)
        if own != canvas:
            raise PoseFileError(
                f"{where}: the canvas is {own[1]}x{own[0]}, but frame 0 has"
                f" {canvas[1]}x{canvas[0]}; all frames must share one canvas"
            )
        people.append(_people(where, frame, canvas, layout, limits))
    return people, canvas


def parse_fps(name: str, fps: Any) -> float | None:
    """Return the frame rate, None where the file gives none.

    Raises:
        PoseFileError: it is not a number above 0 and up to 1000.
    """
    if fps is None:
        return None
    if not _is_number(fps) or not 0 < fps <= 1000:
        raise PoseFileError(f"{name}: fps is {_shown(fps)}; it must be above 0 and at most 1000")
    return float(fps)


def _canvas(where: str, frame: Any, limits: PoseFileLimits) -> tuple[int, int]:
    if not isinstance(frame, dict):
        raise PoseFileError(f"{where} is {_shown(frame)}; it must be an object with people")
    return (
        _side(where, "canvas_height", frame, limits),
        _side(where, "canvas_width", frame, limits),
    )


def _side(where: str, field: str, frame: dict[str, Any], limits: PoseFileLimits) -> int:
    value: Any = frame.get(field)
    if not _is_number(value) or not 1 <= value <= limits.max_side or value != int(value):
        given = f"is {_shown(value)}" if field in frame else "is missing"
        raise PoseFileError(
            f"{where}: {field} {given}; it must be a whole number from 1 to {limits.max_side}"
        )
    return int(value)


def _people(
    where: str,
    frame: dict[str, Any],
    canvas: tuple[int, int],
    layout: Layout,
    limits: PoseFileLimits,
) -> list[Pose]:
    people = frame.get("people")
    if not isinstance(people, list):
        given = f"is {_shown(people)}" if "people" in frame else "is missing"
        raise PoseFileError(f"{where}: people {given}; it must be an array")
    if len(people) > limits.max_people:
        raise PoseFileError(
            f"{where}: there are {len(people):,} people; at most {limits.max_people} are allowed"
        )
    return [
        _person(f"{where}, person {index}", person, canvas, layout)
        for index, person in enumerate(people)
    ]


def _person(where: str, person: Any, canvas: tuple[int, int], layout: Layout) -> Pose:
    if not isinstance(person, dict):
        raise PoseFileError(f"{where} is {_shown(person)}; it must be an object with {BODY}")
    body = _body(where, person, layout)
    return Pose(
        keypoints=body[:, :2],
        confidence=body[:, 2],
        canvas=canvas,
        hand_left=_part(where, HAND_LEFT, person, (NUM_HAND_JOINTS,)),
        hand_right=_part(where, HAND_RIGHT, person, (NUM_HAND_JOINTS,)),
        face=_face(where, person),
    )


def _body(where: str, person: dict[str, Any], layout: Layout) -> NDArray[np.float64]:
    accepted = [Layout.OPENPOSE18, Layout.BODY25] if layout is Layout.AUTO else [layout]
    counts = tuple(JOINT_COUNTS[kind] for kind in accepted)
    if person.get(BODY) is None:
        given = "is null" if BODY in person else "is missing"
        raise PoseFileError(f"{where}: {BODY} {given}; it must hold {_allowed(counts)}")
    largest = 2.0 if layout is Layout.COCO17 else MAX_CONFIDENCE
    joints = _points(where, BODY, person[BODY], counts, largest)
    if len(joints) == JOINT_COUNTS[Layout.COCO17]:
        return from_coco17(joints)
    return from_body25(joints) if len(joints) == JOINT_COUNTS[Layout.BODY25] else joints


def _part(
    where: str, field: str, person: dict[str, Any], counts: tuple[int, ...]
) -> NDArray[np.float64] | None:
    """Return a hand or a face, None where it is absent, null or an empty array."""
    values = person.get(field)
    if values is None or values == []:
        return None
    return _points(where, field, values, counts, MAX_CONFIDENCE)


def _face(where: str, person: dict[str, Any]) -> NDArray[np.float64] | None:
    face = _part(where, FACE, person, (NUM_FACE_JOINTS, _FACE_WITHOUT_PUPILS))
    if face is None or len(face) == NUM_FACE_JOINTS:
        return face
    return np.concatenate([face, np.zeros((NUM_FACE_JOINTS - len(face), 3))])


def _points(
    where: str, field: str, values: Any, counts: tuple[int, ...], largest: float
) -> NDArray[np.float64]:
    """Return (n, 3) x, y, confidence; zeros where the confidence is 0."""
    if not isinstance(values, list):
        raise PoseFileError(f"{where}: {field} is {_shown(values)}; it must be an array of numbers")
    if len(values) not in [3 * count for count in counts]:
        raise PoseFileError(_wrong_count(where, field, len(values), counts))
    for joint in range(len(values) // 3):
        x, y, confidence = values[3 * joint : 3 * joint + 3]
        _check(where, f"{field}[{3 * joint + 2}]", confidence, 0.0, largest, "confidence")
        if confidence > 0:
            _check(where, f"{field}[{3 * joint}]", x, -MAX_COORDINATE, MAX_COORDINATE, "x")
            _check(where, f"{field}[{3 * joint + 1}]", y, -MAX_COORDINATE, MAX_COORDINATE, "y")
        else:
            values[3 * joint : 3 * joint + 3] = (0.0, 0.0, 0.0)
    points = np.array(values, dtype=np.float64).reshape(-1, 3)
    points[:, 2] = np.minimum(points[:, 2], 1.0)
    return points


def _check(where: str, field: str, value: Any, low: float, high: float, what: str) -> None:
    if not _is_number(value) or not low <= value <= high:
        raise PoseFileError(
            f"{where}: {field} is {_shown(value)}; {what} must be a number from {low:g} to {high:g}"
        )


def _wrong_count(where: str, field: str, given: int, counts: tuple[int, ...]) -> str:
    joints = f"{given // 3} joints" if given % 3 == 0 else "no whole number of joints"
    message = f"{where}: {field} has {given} numbers ({joints}); it must hold {_allowed(counts)}"
    if field == BODY and given == 3 * JOINT_COUNTS[Layout.COCO17]:
        message += '; COCO\'s 17 joints are read only when asked for, with layout="coco17"'
    return message


def _allowed(counts: tuple[int, ...]) -> str:
    return " or ".join(f"{3 * count} numbers ({count} joints)" for count in counts)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    """Return a value as JSON would show it, cut off where it is long."""
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
