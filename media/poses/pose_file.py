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
from media.poses.conversion import from_coco17
from media.poses.document import Person, Points, PoseDocument, parse_frames, parse_pose_file
from media.poses.joints import BODY25_JOINTS, JOINT_COUNTS, NUM_FACE_JOINTS, Layout
from media.poses.keypoints import Pose


def read_pose_file(
    source: Path | str | bytes, *, layout: str = Layout.AUTO, limits: PoseFileLimits | None = None
) -> PoseDocument[Pose]:
    """Read a pose file.

    Args:
        source: a path, or the file's content as bytes.
        layout: "auto" accepts bodies of 18 joints (OpenPose) and of 25 (BODY_25); "openpose18",
            "body25" and "coco17" (COCO's 17 joints) accept only that layout.
        limits: size limits of the file.

    Raises:
        PoseFileError: no such file, not JSON, not this format, or over a limit; the message has
            the frame, the field, the value, and what is allowed.
        ParameterError: there is no such layout.
    """
    limits = limits or PoseFileLimits()
    if layout not in list(Layout):
        raise ParameterError(f"layout is {layout!r}; it must be one of {', '.join(Layout)}")
    name, data = _content(source, limits)
    document = parse_pose_file(name, data, Layout(layout), limits)
    frames = [[_pose(person, document.canvas) for person in people] for people in document.frames]
    return PoseDocument(frames, document.canvas, document.fps)


def write_pose_file(
    path: Path | str,
    frames: Sequence[Sequence[Pose]],
    fps: float | None = None,
    *,
    canvas: tuple[int, int] | None = None,
) -> None:
    """Write a pose file atomically.

    Numbers are written with full precision. Coordinates of undetected joints are written as 0.

    Args:
        path: pose file.
        frames: the people of each frame, all on one canvas.
        fps: frames per second; without it the file is an array.
        canvas: (height, width); required only when no frame has a person.

    Raises:
        ParameterError: there are no frames, there is no canvas, or canvases differ.
        PoseFileError: the file cannot be written.
    """
    path = Path(path)
    canvas = _common_canvas(frames, canvas)
    content = [_frame(people, canvas) for people in frames]
    document = content if fps is None else {"fps": float(fps), "frames": content}
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
    frames, canvas = parse_frames("the pose", [content], Layout.OPENPOSE18, PoseFileLimits())
    if len(frames[0]) != 1:
        raise PoseFileError(f"the pose: there are {len(frames[0])} people; there must be one")
    return _pose(frames[0][0], canvas)


def _pose(person: Person, canvas: tuple[int, int]) -> Pose:
    body = _array(person.body)
    if len(body) == JOINT_COUNTS[Layout.BODY25]:
        body = body[list(BODY25_JOINTS)]
    elif len(body) == JOINT_COUNTS[Layout.COCO17]:
        body = from_coco17(body)
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


def _content(source: Path | str | bytes, limits: PoseFileLimits) -> tuple[str, bytes]:
    if isinstance(source, bytes):
        return "the pose file", source
    path = Path(source)
    try:
        limits.check_bytes(path.name, path.stat().st_size)
        return path.name, path.read_bytes()
    except OSError as error:
        raise PoseFileError(f"{path.name}: cannot be read ({error.strerror})") from error


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
