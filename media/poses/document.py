"""Parse and validate pose files; numpy is not needed.

A pose file is an array of frames, or `{"fps": F, "frames": [...]}`, or one frame. An object with
`"cleaned": true` has poses that are used as they are. A frame is

    {"people": [{"pose_keypoints_2d": [x, y, c, ... 18 joints],
                 "hand_left_keypoints_2d": [...] or null, "hand_right_keypoints_2d": ...,
                 "face_keypoints_2d": ...}],
     "canvas_width": W, "canvas_height": H}

with x, y in pixels of the canvas and the confidence c, which is 0 when the joint was not detected;
x and y of such a joint may be anything. Unknown keys are ignored.

What other programs write is read as well, if its meaning is clear: other names and nestings
(`frames`, `people`), other forms of the points (`points`), other layouts (`joints.Layout`), other
units (`units`), several files of one frame each (`archive`), no canvas. Parts that cannot be read
are left out. The warnings say what was changed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from media.errors import ParameterError, PoseFileError, Problem
from media.limits import PoseFileLimits
from media.poses.frames import MAX_FPS, MIN_FPS, RawFrames, declared_canvas, people_of, raw_frames
from media.poses.joints import Layout
from media.poses.notes import Notes
from media.poses.people import Person, PersonReader, check_people
from media.poses.points import shown
from media.poses.text import read_json
from media.poses.units import Frames, extent, fix_confidences, is_normalized, to_pixels

MAX_ODD_SHARE = 0.2  # of the joints, whose confidences may be below 0 by mistake
MIN_ASSUMED_SIDE = 64  # pixels of a canvas that neither file nor user declares
P = TypeVar("P")
# (name, content) of the files that make a pose file; several have one frame each.
Files = Sequence[tuple[str, bytes]]


@dataclass(frozen=True)
class PoseFileOptions:
    """Facts about a pose file that its user gives.

    Attributes:
        layout: layout of the bodies.
        canvas: (height, width) in pixels; the file's by default.
        fps: frames per second; the file's by default.
        reads_coco: whether 17 joints are COCO's where the layout is `auto`.
    """

    layout: Layout = Layout.AUTO
    canvas: tuple[int, int] | None = None
    fps: float | None = None
    reads_coco: bool = False

    def for_image(self) -> PoseFileOptions:
        """Return the options for the pose file of the image.

        Another program may have written it, so a layout does not exclude others.
        """
        return PoseFileOptions(reads_coco=self.layout is Layout.COCO17)


def pose_file_options(
    layout: str = Layout.AUTO, canvas: str | None = None, fps: float | None = None
) -> PoseFileOptions:
    """Return the options for what a user wrote.

    Args:
        layout: name of a layout.
        canvas: width and height, such as "1280x720".
        fps: frames per second, 0.1 to 1000.

    Raises:
        ParameterError: one of them is invalid.
    """
    if layout not in list(Layout):
        raise ParameterError(f"layout is {layout!r}; it must be one of {', '.join(Layout)}")
    if fps is not None and not MIN_FPS <= fps <= MAX_FPS:
        raise ParameterError(f"fps is {fps:g}; it must be from {MIN_FPS} to {MAX_FPS}")
    return PoseFileOptions(Layout(layout), None if canvas is None else _size(canvas), fps)


def _size(text: str) -> tuple[int, int]:
    """Return (height, width) of a text such as "1280x720". Raises ParameterError."""
    match = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", text)
    if match is None:
        raise ParameterError(f"canvas is {text!r}; it must be WIDTHxHEIGHT, such as 1280x720")
    return int(match[2]), int(match[1])


@dataclass(frozen=True)
class PoseDocument(Generic[P]):
    """The content of a valid pose file.

    Attributes:
        frames: the people of each frame.
        canvas: (height, width) in pixels, the same in every frame.
        fps: frames per second, or None when the file does not declare it.
        warnings: what was left out, changed or assumed; sentences for the user.
        has_person: whether a joint of a body was detected in any frame.
        is_cleaned: whether the file says that its poses are to be used as they are.
    """

    frames: list[list[P]]
    canvas: tuple[int, int]
    fps: float | None = None
    warnings: list[str] = field(default_factory=list)
    has_person: bool = True
    is_cleaned: bool = False

    def no_person_message(self, name: str) -> str:
        """Return why a file without a person cannot be used; `name` is the file's."""
        count = len(self.frames)
        frames = f"any of the {count:,} frames" if count > 1 else "the one frame"
        return "; ".join(
            [
                f"{name}: no person in {frames} of poses",
                "at least one frame needs people with pose_keypoints_2d, and joints of a confidence"
                " above 0",
                *self.warnings[:3],
            ]
        )


def parse_pose_file(
    name: str,
    files: bytes | Files,
    options: PoseFileOptions | None = None,
    limits: PoseFileLimits | None = None,
    image_size: tuple[int, int] | None = None,
) -> PoseDocument[Person]:
    """Parse and validate a whole pose file.

    Args:
        name: file name for messages.
        files: content of the file, or the files of its frames.
        options: what the user knows about the file.
        limits: size limits of the file.
        image_size: (height, width) that a file without a canvas may have: the image's.

    Raises:
        PoseFileError: see `pose_file.read_pose_file`.
    """
    options, limits = options or PoseFileOptions(), limits or PoseFileLimits()
    raw = _raw(name, files, limits)
    limits.check_frames(name, len(raw.frames))
    canvas = options.canvas or _common_canvas(name, raw, limits)
    notes = Notes()
    reads_coco = raw.is_coco or options.reads_coco
    reader = PersonReader(options.layout, notes, reads_coco)
    frames = _read_people(name, raw, reader, limits)
    _refuse_depths(name, frames, notes)
    frames = fix_confidences(frames, notes)
    frames, canvas = _to_pixels(name, frames, canvas, image_size, notes)
    limits.check_canvas(name, *canvas)
    has_person = any(person.is_detected for people in frames for person in people)
    fps = options.fps or raw.fps
    return PoseDocument(frames, canvas, fps, notes.sentences(), has_person, raw.is_cleaned)


class PoseSummary(NamedTuple):
    """Length of a pose file.

    Attributes:
        frames: number of frames.
        fps: frames per second, or None when neither the file nor its user says it.
    """

    frames: int
    fps: float | None


def check_pose_file(
    name: str, files: bytes | Files, limits: PoseFileLimits, options: PoseFileOptions | None = None
) -> PoseSummary:
    """Check that a pose file can drive an animation; return its length.

    Raises:
        PoseFileError: see `parse_pose_file`; also when no frame has a person.
    """
    # Any size will do for this check: the reader knows that of the image.
    size = (limits.min_side, limits.min_side)
    document = parse_pose_file(name, files, options, limits, image_size=size)
    if not document.has_person:
        raise PoseFileError(document.no_person_message(name), Problem.NO_PERSON)
    return PoseSummary(len(document.frames), document.fps)


def check_image_pose(
    name: str, data: bytes, limits: PoseFileLimits, options: PoseFileOptions | None = None
) -> None:
    """Check that a pose file can be the pose of an image.

    Args:
        options: those of the driving file.

    Raises:
        PoseFileError: see `parse_pose_file`; also when its first frame has not exactly one person.
    """
    size = (limits.min_side, limits.min_side)
    options = (options or PoseFileOptions()).for_image()
    document = parse_pose_file(name, data, options, limits, image_size=size)
    check_one_person(name, len(document.frames[0]))


def check_one_person(name: str, people: int) -> None:
    """Raise PoseFileError unless the pose file of an image has one person."""
    if people != 1:
        raise PoseFileError(f"{name}: {people} people; the image's pose needs one")


def _raw(name: str, files: bytes | Files, limits: PoseFileLimits) -> RawFrames:
    """Return the frames of one document, or the one frame of each of several."""
    if isinstance(files, bytes):
        files = [(name, files)]
    for own_name, data in files:
        limits.check_bytes(own_name, len(data))
    documents = [raw_frames(own, read_json(own, data)) for own, data in files]
    if len(documents) == 1:
        return documents[0]
    for (own, _), document in zip(files, documents, strict=True):
        if len(document.frames) != 1:
            raise PoseFileError(
                f"{own}: the file has {len(document.frames):,} frames; where there are several"
                " files, each must have one"
            )
    return RawFrames(
        [document.frames[0] for document in documents],
        next((document.fps for document in documents if document.fps), None),
        documents[0].canvas,
        documents[0].is_coco,
        all(document.is_cleaned for document in documents),
    )


def _read_people(name: str, raw: RawFrames, reader: PersonReader, limits: PoseFileLimits) -> Frames:
    """Return the people of each frame. Raises PoseFileError when no body can be read."""
    frames = []
    for index, frame in enumerate(raw.frames):
        where = f"frame {index}"
        people = people_of(frame, f"{name}: {where}")
        check_people(people, limits.max_people, f"{name}: {where}")
        persons = (
            reader.read(person, f"{where}, person {number}") for number, person in enumerate(people)
        )
        frames.append([person for person in persons if person is not None])
    is_empty = not any(person.is_detected for people in frames for person in people)
    if is_empty and reader.problem is not None:
        raise PoseFileError(f"{name}: {reader.problem}")
    return frames


def _refuse_depths(name: str, frames: Frames, notes: Notes) -> None:
    """Raise PoseFileError when many joints are x, y, z, and not x, y, confidence."""
    joints = sum(len(part) // 3 for people in frames for person in people for part in person.parts)
    if notes.odd_confidences > MAX_ODD_SHARE * joints:
        raise PoseFileError(
            f"{name}: the third numbers of {notes.odd_confidences:,} joints are below 0, as in"
            " joints in 3-D (x, y, z); give x, y, confidence"
        )


def _common_canvas(name: str, raw: RawFrames, limits: PoseFileLimits) -> tuple[int, int] | None:
    """Return the canvas that the file declares, or None. Raises PoseFileError."""
    canvas, first = None, ""
    places = [
        ("", raw.canvas),
        *((f"frame {i}", declared_canvas(f)) for i, f in enumerate(raw.frames)),
    ]
    for where, given in places:
        if given is None:
            continue
        place = f"{name}: {where}" if where else name
        own = tuple(
            _side(place, field, value, limits)
            for field, value in zip(("canvas_height", "canvas_width"), reversed(given), strict=True)
        )
        if canvas is None:
            canvas, first = own, where or "the file"
        elif own != canvas:
            raise PoseFileError(
                f"{place}: the canvas is {own[1]}x{own[0]}, but {first} has"
                f" {canvas[1]}x{canvas[0]}; all frames must share one canvas (or give canvas)"
            )
    return canvas  # type: ignore[return-value]  # two sides


def _side(where: str, field: str, value: Any, limits: PoseFileLimits) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    is_whole = type(value) in (int, float) and 1 <= value <= limits.max_side and value == int(value)
    if not is_whole:
        state = "is missing" if value is None else f"is {shown(value)}"
        raise PoseFileError(
            f"{where}: {field} {state};"
            f" it must be a whole number from 1 to {limits.max_side} (or give canvas)"
        )
    return int(value)


def _to_pixels(
    name: str,
    frames: Frames,
    canvas: tuple[int, int] | None,
    image_size: tuple[int, int] | None,
    notes: Notes,
) -> tuple[Frames, tuple[int, int]]:
    """Return frames in pixels, and their canvas, which is assumed if it is None."""
    # One pixel is no canvas: programs with coordinates of 0..1 write it.
    canvas = None if canvas == (1, 1) else canvas
    if not is_normalized(frames, canvas):
        return frames, canvas or _assumed_canvas(frames, image_size, notes)
    canvas = canvas or image_size
    if canvas is None:
        raise PoseFileError(
            f"{name}: coordinates are fractions of a frame, not pixels, and the size of the"
            " frame is missing; give canvas, such as 1280x720"
        )
    return to_pixels(frames, canvas, notes), canvas


def _assumed_canvas(
    frames: Frames, image_size: tuple[int, int] | None, notes: Notes
) -> tuple[int, int]:
    """Return the image's size if all joints are inside it, else a size that holds them."""
    bottom, right = extent(frames)
    if not any(frames):
        return image_size or (MIN_ASSUMED_SIDE, MIN_ASSUMED_SIDE)
    if image_size is not None and bottom <= image_size[0] and right <= image_size[1]:
        (height, width), reason = image_size, "the image's size"
    else:
        height, width = (max(math.ceil(side), MIN_ASSUMED_SIDE) for side in (bottom, right))
        reason = "which holds all joints"
    notes.add(
        f"the file has no canvas; {width}x{height} is assumed, {reason} (give canvas to change it)"
    )
    return height, width
