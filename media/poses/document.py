"""Parse and validate pose files; numpy is not needed.

A pose file is an array of frames, or `{"fps": F, "frames": [...]}`, or one frame. A frame is

    {"people": [{"pose_keypoints_2d": [x, y, c, ... 18 joints],
                 "hand_left_keypoints_2d": [...] or null, "hand_right_keypoints_2d": ...,
                 "face_keypoints_2d": ...}],
     "canvas_width": W, "canvas_height": H}

with x, y in pixels of the canvas and the confidence c, which is 0 when the joint was not detected;
x and y of such a joint may be anything. Unknown keys are ignored.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from media.errors import PoseFileError, Problem
from media.limits import PoseFileLimits
from media.poses.joints import BODY25_JOINTS, JOINT_COUNTS, NUM_FACE_JOINTS, NUM_HAND_JOINTS, Layout

BODY, HAND_LEFT, HAND_RIGHT, FACE = (
    f"{part}_keypoints_2d" for part in ("pose", "hand_left", "hand_right", "face")
)
MAX_COORDINATE = 1_000_000  # pixels; a joint further out is an error of the file
MAX_CONFIDENCE = 1.5  # some detectors exceed 1 a little; readers clip it
MAX_COCO_VISIBILITY = 2  # COCO has visibility flags 0, 1 and 2 in place of confidence
MAX_FPS = 1000
_FACE_COUNTS = (NUM_FACE_JOINTS, NUM_FACE_JOINTS - 2)  # with and without pupils
_NUMBERS = frozenset({int, float})  # not bool

Points = Sequence[float]
P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Person:
    """One person in one frame: flat lists of x, y, confidence per joint.

    Attributes:
        body: 18, 25 or 17 joints, by the layout.
        hand_left: 21 joints, or None.
        hand_right: 21 joints, or None.
        face: 70 or 68 joints, or None.
    """

    body: Points
    hand_left: Points | None
    hand_right: Points | None
    face: Points | None

    @property
    def is_detected(self) -> bool:
        """True if a joint of OpenPose-18 was detected."""
        confidences = self.body[2::3]
        if len(confidences) == JOINT_COUNTS[Layout.BODY25]:
            confidences = [confidences[joint] for joint in BODY25_JOINTS]
        return any(confidence > 0 for confidence in confidences)


@dataclass(frozen=True)
class PoseDocument(Generic[P]):
    """The content of a valid pose file.

    Attributes:
        frames: the people of each frame.
        canvas: (height, width) in pixels, the same in every frame.
        fps: frames per second, or None when the file does not declare it.
    """

    frames: list[list[P]]
    canvas: tuple[int, int]
    fps: float | None = None


def parse_pose_file(
    name: str, data: bytes, layout: Layout = Layout.AUTO, limits: PoseFileLimits | None = None
) -> PoseDocument[Person]:
    """Parse and validate a whole pose file.

    Args:
        name: file name for messages.
        data: content of the file.
        layout: see `pose_file.read_pose_file`.
        limits: size limits of the file.

    Raises:
        PoseFileError: see `pose_file.read_pose_file`.
    """
    limits = limits or PoseFileLimits()
    limits.check_bytes(name, len(data))
    try:
        document = json.loads(data.removeprefix(BOM_UTF8).decode())
    except UnicodeDecodeError as error:
        raise PoseFileError(f"{name}: not text in UTF-8 (byte {error.start})") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise PoseFileError(f"{name}: not JSON ({where}: {error.msg})") from error
    except (RecursionError, ValueError) as error:
        raise PoseFileError(
            f"{name}: not a pose file; nested too deeply, or a number has too many digits"
        ) from error
    frames, fps = _frames_and_fps(name, document)
    people, canvas = parse_frames(name, frames, layout, limits)
    return PoseDocument(people, canvas, fps)


def check_pose_file(name: str, data: bytes, limits: PoseFileLimits) -> int:
    """Check that a pose file can drive an animation; return the number of its frames.

    Raises:
        PoseFileError: see `parse_pose_file`; also when no frame has a person.
    """
    frames = parse_pose_file(name, data, limits=limits).frames
    if not any(person.is_detected for people in frames for person in people):
        raise PoseFileError(
            f"{name}: no person in any of the {len(frames):,} frames of poses", Problem.NO_PERSON
        )
    return len(frames)


def check_image_pose(name: str, data: bytes, limits: PoseFileLimits) -> None:
    """Check that a pose file can be the pose of an image.

    Raises:
        PoseFileError: see `parse_pose_file`; also when its first frame has not exactly one person.
    """
    check_one_person(name, len(parse_pose_file(name, data, limits=limits).frames[0]))


def check_one_person(name: str, people: int) -> None:
    """Raise PoseFileError unless the pose file of an image has one person."""
    if people != 1:
        raise PoseFileError(f"{name}: {people} people; the image's pose needs one")


def parse_frames(
    name: str, frames: list[Any], layout: Layout, limits: PoseFileLimits
) -> tuple[list[list[Person]], tuple[int, int]]:
    """Return the people of each frame and their common canvas, (height, width).

    Raises:
        PoseFileError: see `pose_file.read_pose_file`.
    """
    limits.check_frames(name, len(frames))
    canvas = _canvas(f"{name}: frame 0", frames[0], limits)
    limits.check_canvas(f"{name}: frame 0", *canvas)
    people = []
    for index, frame in enumerate(frames):
        where = f"{name}: frame {index}"
        own = _canvas(where, frame, limits)
        if own != canvas:
            raise PoseFileError(
                f"{where}: the canvas is {own[1]}x{own[0]}, but frame 0 has"
                f" {canvas[1]}x{canvas[0]}; all frames must share one canvas"
            )
        people.append(_people(where, frame, layout, limits))
    return people, canvas


def _frames_and_fps(name: str, document: Any) -> tuple[list[Any], float | None]:
    fps = None
    if isinstance(document, dict):
        fps = document.get("fps")
        document = document.get("frames", [document] if "people" in document else None)
    if not isinstance(document, list):
        raise PoseFileError(
            f'{name}: not a pose file; it must be an array of frames, or {{"fps", "frames"}}'
        )
    if fps is not None and not (_is_number(fps) and 0 < fps <= MAX_FPS):
        raise PoseFileError(
            f"{name}: fps is {_shown(fps)}; it must be above 0 and at most {MAX_FPS}"
        )
    return document, None if fps is None else float(fps)


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
        raise PoseFileError(
            f"{where}: {field} {_given(frame, field)};"
            f" it must be a whole number from 1 to {limits.max_side}"
        )
    return int(value)


def _people(
    where: str, frame: dict[str, Any], layout: Layout, limits: PoseFileLimits
) -> list[Person]:
    people = frame.get("people")
    if not isinstance(people, list):
        raise PoseFileError(f"{where}: people {_given(frame, 'people')}; it must be an array")
    if len(people) > limits.max_people:
        raise PoseFileError(
            f"{where}: there are {len(people):,} people; at most {limits.max_people} are allowed"
        )
    return [
        _person(f"{where}, person {index}", person, layout) for index, person in enumerate(people)
    ]


def _person(where: str, person: Any, layout: Layout) -> Person:
    if not isinstance(person, dict):
        raise PoseFileError(f"{where} is {_shown(person)}; it must be an object with {BODY}")
    return Person(
        body=_body(where, person, layout),
        hand_left=_part(where, HAND_LEFT, person, (NUM_HAND_JOINTS,)),
        hand_right=_part(where, HAND_RIGHT, person, (NUM_HAND_JOINTS,)),
        face=_part(where, FACE, person, _FACE_COUNTS),
    )


def _body(where: str, person: dict[str, Any], layout: Layout) -> Points:
    accepted = [Layout.OPENPOSE18, Layout.BODY25] if layout is Layout.AUTO else [layout]
    counts = tuple(JOINT_COUNTS[kind] for kind in accepted)
    if person.get(BODY) is None:
        raise PoseFileError(
            f"{where}: {BODY} {_given(person, BODY)}; it must hold {_allowed(counts)}"
        )
    largest = MAX_COCO_VISIBILITY if layout is Layout.COCO17 else MAX_CONFIDENCE
    return _points(where, BODY, person[BODY], counts, largest)


def _part(where: str, field: str, person: dict[str, Any], counts: tuple[int, ...]) -> Points | None:
    """Return a hand or a face, or None when it is missing, null or an empty array."""
    values = person.get(field)
    if values is None or values == []:
        return None
    return _points(where, field, values, counts, MAX_CONFIDENCE)


def _points(
    where: str, field: str, values: Any, counts: tuple[int, ...], max_confidence: float
) -> Points:
    """Return x, y, confidence of each joint; zeros for the joints that were not detected."""
    if not isinstance(values, list):
        raise PoseFileError(f"{where}: {field} is {_shown(values)}; it must be an array of numbers")
    if len(values) not in [3 * count for count in counts]:
        raise PoseFileError(_wrong_count(where, field, len(values), counts))
    if _all_in_range(values, max_confidence):
        return values
    points: list[float] = []
    for index in range(0, len(values), 3):
        x, y, confidence = values[index : index + 3]
        place = f"{where}: {field}"
        _check(f"{place}[{index + 2}]", confidence, 0, max_confidence, "confidence")
        if confidence > 0:
            _check(f"{place}[{index}]", x, -MAX_COORDINATE, MAX_COORDINATE, "x")
            _check(f"{place}[{index + 1}]", y, -MAX_COORDINATE, MAX_COORDINATE, "y")
        points += (x, y, confidence) if confidence > 0 else (0.0, 0.0, 0.0)
    return points


def _all_in_range(values: list[Any], max_confidence: float) -> bool:
    """Return whether every number is valid, by a few passes in C: the usual case."""
    if not _NUMBERS.issuperset(map(type, values)):
        return False
    confidences = values[2::3]
    return bool(
        -MAX_COORDINATE <= min(values)
        and max(values) <= MAX_COORDINATE
        and min(confidences) >= 0
        and max(confidences) <= max_confidence
        and (total := sum(values)) == total  # False for NaN, which min and max can miss
    )


def _check(place: str, value: Any, low: float, high: float, what: str) -> None:
    if not _is_number(value) or not low <= value <= high:
        raise PoseFileError(
            f"{place} is {_shown(value)}; {what} must be a number from {low:,} to {high:,}"
        )


def _wrong_count(where: str, field: str, given: int, counts: tuple[int, ...]) -> str:
    joints = f"{given // 3} joints" if given % 3 == 0 else "no whole number of joints"
    message = f"{where}: {field} has {given} numbers ({joints}); it must hold {_allowed(counts)}"
    if field == BODY and given == 3 * JOINT_COUNTS[Layout.COCO17]:
        message += '; COCO\'s 17 joints are read only with layout="coco17"'
    return message


def _allowed(counts: tuple[int, ...]) -> str:
    return " or ".join(f"{3 * count} numbers ({count} joints)" for count in counts)


def _given(content: dict[str, Any], field: str) -> str:
    return f"is {_shown(content[field])}" if field in content else "is missing"


def _is_number(value: Any) -> bool:
    return type(value) in _NUMBERS


def _shown(value: Any) -> str:
    """Return a value as JSON would show it, cut off when it is long."""
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    text = repr(value[:40] if isinstance(value, str) else value)
    return text if len(text) <= 40 else f"{text[:37]}..."
