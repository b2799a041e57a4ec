"""Read and write pose files; `document` describes the format."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from media.atomic_write import atomic_write
from media.errors import ParameterError, PoseFileError
from media.limits import PoseFileLimits
from media.poses.archive import pose_files
from media.poses.document import Files, PoseDocument, PoseFileOptions, parse_pose_file
from media.poses.joints import NUM_FACE_JOINTS
from media.poses.keypoints import Pose
from media.poses.people import BODY, FACE, HAND_LEFT, HAND_RIGHT, Person
from media.poses.points import Points


def read_pose_file(
    source: Path | str | bytes,
    options: PoseFileOptions | None = None,
    *,
    limits: PoseFileLimits | None = None,
    image_size: tuple[int, int] | None = None,
) -> PoseDocument[Pose]:
    """Read a pose file, or a folder or zip of pose files of one frame each.

    Args:
        source: a path, or the file's content as bytes.
        options: what the user knows about the file.
        limits: size limits of the file.
        image_size: (height, width) that a file without a canvas may have: the image's.

    Raises:
        PoseFileError: no such file, not JSON, not this format, or over a limit; the message has
            the frame, the field, the value, and what is allowed.
    """
    limits = limits or PoseFileLimits()
    if isinstance(source, bytes):
        return read_poses("the pose file", source, options, limits, image_size)
    path = Path(source)
    return read_poses(path.name, pose_files(path, limits), options, limits, image_size)


def read_poses(
    name: str,
    files: bytes | Files,
    options: PoseFileOptions | None = None,
    limits: PoseFileLimits | None = None,
    image_size: tuple[int, int] | None = None,
) -> PoseDocument[Pose]:
    """Do the same with the content of the file or files; see `document.parse_pose_file`."""
    document = parse_pose_file(name, files, options, limits, image_size)
    frames = [[_pose(person, document.canvas) for person in people] for people in document.frames]
    return PoseDocument(
        frames,
        document.canvas,
        document.fps,
        document.warnings,
        document.has_person,
        document.is_cleaned,
    )


def write_pose_file(
    path: Path | str,
    frames: Sequence[Sequence[Pose]],
    fps: float | None = None,
    *,
    canvas: tuple[int, int] | None = None,
    is_cleaned: bool = False,
) -> None:
    """Write a pose file atomically.

    Numbers are written with full precision. Coordinates of undetected joints are written as 0.

    Args:
        path: pose file.
        frames: the people of each frame, all on one canvas.
        fps: frames per second; a file with neither it nor `is_cleaned` is an array.
        canvas: (height, width); required only when no frame has a person.
        is_cleaned: whether the file says that its poses are to be used as they are.

    Raises:
        ParameterError: there are no frames, there is no canvas, or canvases differ.
        PoseFileError: the file cannot be written.
    """
    path = Path(path)
    canvas = _common_canvas(frames, canvas)
    content = [_frame(people, canvas) for people in frames]
    head = ({"cleaned": True} if is_cleaned else {}) | ({} if fps is None else {"fps": float(fps)})
    document = head | {"frames": content} if head else content
    try:
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(document, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise PoseFileError(f"{path.name}: cannot be written ({error.strerror})") from error


def pose_to_json(pose: Pose) -> dict[str, Any]:
    """Return a pose as JSON-serializable data: a frame of a pose file with one person."""
    return _frame([pose], pose.canvas)


def pose_from_json(content: Any) -> Pose:
    """Return a pose from the output of `pose_to_json`.

    Raises:
        PoseFileError: the content is not a frame with one person.
    """
    people = content["people"]
    if len(people) != 1:
        raise PoseFileError(f"the pose: there are {len(people)} people; there must be one")
    parts = [people[0].get(part) for part in (BODY, HAND_LEFT, HAND_RIGHT, FACE)]
    return _pose(Person(*parts), (content["canvas_height"], content["canvas_width"]))


def _pose(person: Person, canvas: tuple[int, int]) -> Pose:
    body = _array(person.body)
    return Pose(
        keypoints=body[:, :2],
        confidence=body[:, 2],
        canvas=canvas,
        hand_left=None if person.hand_left is None else _array(person.hand_left),
        hand_right=None if person.hand_right is None else _array(person.hand_right),
        face=None if person.face is None else _face(person.face),
    )


def _face(points: Points) -> NDArray[np.float64]:
    face = _array(points)
    return np.concatenate([face, np.zeros((NUM_FACE_JOINTS - len(face), 3))])


def _array(points: Points) -> NDArray[np.float64]:
    """Return (n, 3) x, y, confidence of at most 1; zeros for joints that were not detected."""
    array = np.array(points, dtype=np.float64).reshape(-1, 3)
    array[array[:, 2] <= 0] = 0.0
    array[:, 2] = np.minimum(array[:, 2], 1.0)
    return array


def _common_canvas(
    frames: Sequence[Sequence[Pose]], canvas: tuple[int, int] | None
) -> tuple[int, int]:
    canvases = {pose.canvas for people in frames for pose in people}
    canvases |= {canvas} if canvas is not None else set()
    if not frames:
        raise ParameterError("a pose file needs at least one frame")
    if len(canvases) != 1:
        raise ParameterError(
            f"the canvas is one of {sorted(canvases)}; all frames must share one (height, width)"
            if canvases
            else "no frame has a person, so the canvas (height, width) must be given"
        )
    return canvases.pop()


def _frame(people: Sequence[Pose], canvas: tuple[int, int]) -> dict[str, Any]:
    return {
        "people": [_person(pose) for pose in people],
        "canvas_width": int(canvas[1]),
        "canvas_height": int(canvas[0]),
    }


def _person(pose: Pose) -> dict[str, Any]:
    body = np.concatenate([pose.keypoints, pose.confidence[:, None]], axis=1)
    return {
        "pose_keypoints_2d": _numbers(body),
        "hand_left_keypoints_2d": _numbers(pose.hand_left),
        "hand_right_keypoints_2d": _numbers(pose.hand_right),
        "face_keypoints_2d": _numbers(pose.face),
    }


def _numbers(points: NDArray[np.float64] | None) -> list[float] | None:
    """Flatten (n, 3) points, with zeros for undetected ones."""
    if points is None:
        return None
    detected = np.where(points[:, 2:] > 0, points, 0.0)
    return [float(value) for value in detected.ravel()]
