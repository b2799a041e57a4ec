"""Is this a pose file that can drive an animation?

The format is the JSON of OpenPose editors: an array of frames, or `{"fps": F, "frames": [...]}`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from service.contract.errors import ErrorCode
from service.contract.limits import InputLimits
from service.errors import Rejected

# Numbers of joints: OpenPose's COCO model and BODY_25. 17 is COCO without a neck, in another order.
JOINTS = (18, 25)
COCO_JOINTS = 17
MAX_PEOPLE = 64

Number = Annotated[float, Field(allow_inf_nan=False)]


class Person(BaseModel):
    """One person of one frame: x, y, confidence for each joint, flat."""

    pose_keypoints_2d: list[Number]

    @field_validator("pose_keypoints_2d")
    @classmethod
    def _known_layout(cls, values: list[float]) -> list[float]:
        if len(values) in [3 * joints for joints in JOINTS]:
            return values
        found = f"{len(values)} numbers"
        if len(values) == 3 * COCO_JOINTS:
            found = "17 joints (COCO without a neck)"
        raise ValueError(f"has {found}; 18 joints (54 numbers) or 25 joints (75 numbers) are taken")


class Frame(BaseModel):
    """One moment; nobody may be seen in it."""

    people: list[Person] = Field(max_length=MAX_PEOPLE)
    canvas_width: float = Field(gt=0, allow_inf_nan=False)
    canvas_height: float = Field(gt=0, allow_inf_nan=False)


class Document(BaseModel):
    """Frames with their rate."""

    model_config = ConfigDict(extra="ignore")

    fps: float | None = Field(None, gt=0, le=240, allow_inf_nan=False)
    frames: list[Frame]


FRAMES = TypeAdapter(list[Frame])


def inspect_poses(text: bytes, limits: InputLimits) -> int:
    """Check the whole of a pose file.

    Returns:
        The number of its frames.

    Raises:
        Rejected: not the format, too many frames, too large a canvas, or nobody in any frame.
    """
    try:
        frames = _parse(text)
    except ValidationError as error:
        raise Rejected(ErrorCode.INVALID_POSE_FILE, f"driving: {_first(error)}") from error
    if not frames:
        raise Rejected(ErrorCode.INVALID_POSE_FILE, "driving: the pose file holds no frame")
    if len(frames) > limits.max_frames:
        raise Rejected(
            ErrorCode.VIDEO_TOO_LONG,
            f"driving: {len(frames):,} frames; at most {limits.max_frames:,} are taken",
        )
    _check_canvas(frames, limits)
    if not any(_seen(person) for frame in frames for person in frame.people):
        raise Rejected(ErrorCode.NO_PERSON, f"driving: nobody in {len(frames):,} frames of poses")
    return len(frames)


def _parse(text: bytes) -> list[Frame]:
    if text.lstrip()[:1] == b"{":
        return Document.model_validate_json(text).frames
    return FRAMES.validate_json(text)


def _check_canvas(frames: list[Frame], limits: InputLimits) -> None:
    for number, frame in enumerate(frames):
        width, height = frame.canvas_width, frame.canvas_height
        if min(width, height) < limits.min_side or width * height > limits.max_frame_pixels:
            raise Rejected(
                ErrorCode.INVALID_POSE_FILE,
                f"driving: frame {number} has a canvas of {width:g}x{height:g}; sides from "
                f"{limits.min_side} and at most {limits.max_frame_pixels:,} pixels are taken",
            )


def _seen(person: Person) -> bool:
    return any(confidence > 0 for confidence in person.pose_keypoints_2d[2::3])


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
