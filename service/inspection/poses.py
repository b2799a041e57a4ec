"""Is this a pose file that can drive an animation?

The format is the JSON of OpenPose editors: an array of frames, `{"fps": F, "frames": [...]}`, or
one frame alone. The bounds are those of `media.poses.pose_parser`, which reads the file
in the worker; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, FailFast, Field, PlainValidator, TypeAdapter, ValidationError

from service.contract.errors import ErrorCode
from service.contract.limits import InputLimits
from service.errors import RejectedError

# Numbers of joints: OpenPose's COCO model and BODY_25. 17 is COCO without a neck, in another order.
COCO_JOINTS = 17
BODY25_JOINTS = 25
BODY_JOINTS = (18, BODY25_JOINTS)
HAND_JOINTS = (21,)
FACE_JOINTS = (70, 68)  # with and without pupils
# Of BODY_25 the middle of the hips (8) and the feet (from 19) are not used.
USED_OF_BODY25 = (*range(8), *range(9, 19))

MAX_FRAMES = 9_000
MAX_PEOPLE = 100
MAX_SIDE = 16_384  # pixels
MAX_FPS = 1000
MAX_COORDINATE = 1_000_000  # pixels
MAX_CONFIDENCE = 1.5  # detectors overshoot 1 a little

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
NUMBERS = {int, float}  # not bool


def _side(value: Any) -> int:
    if type(value) in NUMBERS and 1 <= value <= MAX_SIDE and value == int(value):
        return int(value)
    raise ValueError(f"is {_shown(value)}; it must be a whole number from 1 to {MAX_SIDE:,}")


def _fps(value: Any) -> float | None:
    if value is None:
        return None
    if type(value) in NUMBERS and 0 < value <= MAX_FPS:
        return float(value)
    raise ValueError(f"is {_shown(value)}; it must be above 0 and at most {MAX_FPS:,}")


def _body(values: Any) -> list[float]:
    if isinstance(values, list) and len(values) == 3 * COCO_JOINTS:
        raise ValueError(f"has 17 joints (COCO without a neck); {_taken(BODY_JOINTS)}")
    return _points(values, BODY_JOINTS)


def _part(counts: Sequence[int]) -> Callable[[Any], list[float] | None]:
    """A hand or a face: absent, null and an empty array all say that there is none."""
    return lambda values: None if values is None or values == [] else _points(values, counts)


def _points(values: Any, counts: Sequence[int]) -> list[float]:
    """Check x, y, confidence of each joint, flat; what an undetected joint's x and y say is not."""
    if not isinstance(values, list):
        raise ValueError(f"is {_shown(values)}; it must be an array of numbers")
    if len(values) not in [3 * count for count in counts]:
        raise ValueError(f"has {len(values)} numbers; {_taken(counts)}")
    if not _all_in_range(values):
        for index in range(0, len(values), 3):
            _check_joint(values, index)
    return values


def _all_in_range(values: list[Any]) -> bool:
    """Whether a few passes in C already show that every number is good, as nearly always."""
    if not NUMBERS.issuperset(map(type, values)):
        return False
    confidences = values[2::3]
    return bool(
        -MAX_COORDINATE <= min(values)
        and max(values) <= MAX_COORDINATE
        and min(confidences) >= 0
        and max(confidences) <= MAX_CONFIDENCE
        and (total := sum(values)) == total  # else one is NaN, which min and max can miss
    )


def _check_joint(values: list[Any], index: int) -> None:
    _check_number("confidence", values, index + 2, 0, MAX_CONFIDENCE)
    if values[index + 2] > 0:
        _check_number("x", values, index, -MAX_COORDINATE, MAX_COORDINATE)
        _check_number("y", values, index + 1, -MAX_COORDINATE, MAX_COORDINATE)


def _check_number(what: str, values: list[Any], index: int, low: float, high: float) -> None:
    value = values[index]
    if type(value) not in NUMBERS or not low <= value <= high:
        raise ValueError(
            f"number {index} is {_shown(value)}; {what} must be a number from {low:,} to {high:,}"
        )


def _taken(counts: Sequence[int]) -> str:
    choices = " or ".join(f"{count} joints ({3 * count} numbers)" for count in counts)
    return f"{choices} are taken"


def _shown(value: Any) -> str:
    """A value as JSON would show it, cut off where it is long."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "an array"
    text = repr(value[:40] if isinstance(value, str) else value)
    return text if len(text) <= 40 else f"{text[:37]}..."


Side = Annotated[int, PlainValidator(_side)]
Fps = Annotated[float | None, PlainValidator(_fps)]
Body = Annotated[list[float], PlainValidator(_body)]
Hand = Annotated[list[float] | None, PlainValidator(_part(HAND_JOINTS))]
Face = Annotated[list[float] | None, PlainValidator(_part(FACE_JOINTS))]


class Person(BaseModel):
    """One person of one frame: x, y, confidence for each joint, flat."""

    pose_keypoints_2d: Body
    hand_left_keypoints_2d: Hand = None
    hand_right_keypoints_2d: Hand = None
    face_keypoints_2d: Face = None


class Frame(BaseModel):
    """One moment; nobody may be seen in it. The canvas is in pixels."""

    canvas_height: Side
    canvas_width: Side
    people: Annotated[list[Person], FailFast(), Field(max_length=MAX_PEOPLE)]


class LoneFrame(Frame):
    """A file that is one frame."""

    fps: Fps = None


Frames = Annotated[list[Frame], FailFast()]


class Document(BaseModel):
    """Frames with their rate."""

    fps: Fps = None
    frames: Frames


FRAMES: TypeAdapter[list[Frame]] = TypeAdapter(Frames)


def inspect_poses(text: bytes, limits: InputLimits) -> int:
    """Check the whole of a pose file.

    Returns:
        The number of its frames.

    Raises:
        RejectedError: wrong format, a number out of range, too many frames, a canvas that is over a
            limit or changes, or no person in any frame; names the field and what is allowed.
    """
    try:
        frames = _parse(text)
    except ValidationError as error:
        raise RejectedError(ErrorCode.INVALID_POSE_FILE, f"driving: {_first(error)}") from error
    if not frames:
        raise RejectedError(ErrorCode.INVALID_POSE_FILE, "driving: the pose file holds no frame")
    most = min(limits.max_frames, MAX_FRAMES)
    if len(frames) > most:
        raise RejectedError(
            ErrorCode.VIDEO_TOO_LONG,
            f"driving: {len(frames):,} frames; at most {most:,} are taken",
        )
    _check_canvas(frames, limits)
    if not any(_seen(person) for frame in frames for person in frame.people):
        raise RejectedError(
            ErrorCode.NO_PERSON, f"driving: nobody in {len(frames):,} frames of poses"
        )
    return len(frames)


def _parse(text: bytes) -> list[Frame]:
    text = text.removeprefix(BYTE_ORDER_MARK)
    if text.lstrip()[:1] != b"{":
        return FRAMES.validate_json(text)
    try:
        return Document.model_validate_json(text).frames
    except ValidationError as error:
        if not _lacks(error, "frames"):
            raise
    try:
        return [LoneFrame.model_validate_json(text)]
    except ValidationError as error:
        if not _lacks(error, "people"):
            raise
        raise RejectedError(
            ErrorCode.INVALID_POSE_FILE,
            "driving: not a pose file: it has neither frames nor people",
        ) from error


def _lacks(error: ValidationError, field: str) -> bool:
    complaints = error.errors(include_url=False, include_input=False)
    return any(one["type"] == "missing" and one["loc"] == (field,) for one in complaints)


def _check_canvas(frames: list[Frame], limits: InputLimits) -> None:
    width, height = frames[0].canvas_width, frames[0].canvas_height
    if min(width, height) < limits.min_side or width * height > limits.max_frame_pixels:
        raise RejectedError(
            ErrorCode.INVALID_POSE_FILE,
            f"driving: frame 0 has a canvas of {width}x{height}; sides from "
            f"{limits.min_side} and at most {limits.max_frame_pixels:,} pixels are taken",
        )
    for number, frame in enumerate(frames):
        if (frame.canvas_width, frame.canvas_height) != (width, height):
            raise RejectedError(
                ErrorCode.INVALID_POSE_FILE,
                f"driving: frame {number} has a canvas of {frame.canvas_width}x"
                f"{frame.canvas_height}, but frame 0 has {width}x{height}; "
                "all frames must share one canvas",
            )


def _seen(person: Person) -> bool:
    confidences = person.pose_keypoints_2d[2::3]
    if len(confidences) == BODY25_JOINTS:
        return any(confidences[joint] > 0 for joint in USED_OF_BODY25)
    return any(confidence > 0 for confidence in confidences)


def _first(error: ValidationError) -> str:
    """The first complaint as one sentence that names the place."""
    complaint: Any = error.errors(include_url=False, include_input=False)[0]
    if complaint["type"] == "json_invalid":
        return f"not a pose file: {complaint['msg']}"
    place = [str(step) for step in complaint["loc"] if step != "frames"]
    if place and place[0].isdigit():
        place[0] = f"frame {place[0]}"
    message = complaint["msg"].removeprefix("Value error, ")
    return f"{', '.join(place)}: {message}" if place else f"not a pose file: {message}"
