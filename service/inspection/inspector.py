"""Inspection of the files that callers send, before a job is made of them.

Small pose files are checked in this process; everything else is decoded in a child process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from media.errors import FileError
from media.limits import DEFAULT_FPS
from media.poses.archive import ZIP_MAGIC
from media.poses.document import (
    PoseSummary,
    check_image_pose,
    check_pose_file,
    pose_file_options,
)
from media.poses.text import looks_like_json
from service.contract.job import DrivingKind
from service.input_limits import InputLimits
from service.inspection.child_pool import Slot
from service.inspection.decoder import Decoder, FileSummary
from service.inspection.memory_budget import head_of, required_bytes
from service.inspection.rejection import rejection
from service.stores.object_store.base import Content, size_of

# A pose file of this size has 60 to 200 frames and is checked in one or two milliseconds.
QUICK_BYTES = 32 * 1024
NAMES = ("image", "driving", "image_pose")


@dataclass(frozen=True)
class InputInfo:
    """Properties of an input file.

    Attributes:
        suffix: file suffix of the format, such as `.png` and `.mp4`.
        kind: kind of a driving input; None for an image.
        frames: number of frames of a driving input, as its header declares.
        seconds: duration of a driving input; of a pose file at the default rate, as quotas count.
        fps: frame rate of a pose file; None for the default one.
        size_bytes: size of the file.
    """

    suffix: str
    kind: DrivingKind | None = None
    frames: int | None = None
    seconds: float | None = None
    size_bytes: int = 0
    fps: float | None = None


def inspect_inputs(
    files: Mapping[str, Content],
    limits: InputLimits,
    decoder: Decoder,
    slot: Slot | None = None,
    pose_options: Mapping[str, Any] | None = None,
) -> dict[str, InputInfo]:
    """Check that an image and a driving video or pose file can be used.

    Args:
        files: contents by name: `image`, `driving` and `image_pose`; some may be missing.
        limits: limits on the files.
        decoder: decodes them.
        slot: see `Decoder.inspect`.
        pose_options: arguments of `media.poses.document.pose_file_options`.

    Raises:
        RejectedError: a file cannot be read or is over a limit.
        UnavailableError: no decoder can be started.
    """
    roles = {name: _role(name, files[name]) for name in NAMES if name in files}
    decoded = {role: files[name] for name, role in roles.items() if not _is_quick(name, files)}
    summaries = decoder.inspect(decoded, limits, slot, pose_options) if decoded else {}
    return {
        name: _info(role, files[name], summaries.get(role), limits, pose_options)
        for name, role in roles.items()
    }


def inspect_poses(
    data: bytes, limits: InputLimits, pose_options: Mapping[str, Any] | None = None
) -> PoseSummary:
    """Return the length of a pose file; it is parsed in this process.

    Raises:
        RejectedError: see `check_pose_file`.
    """
    try:
        options = pose_file_options(**(pose_options or {}))
        return check_pose_file("driving", data, limits.pose_file(), options)
    except FileError as error:
        raise rejection("poses", error.problem, str(error)) from error


def inspect_image_pose(
    data: bytes, limits: InputLimits, pose_options: Mapping[str, Any] | None = None
) -> None:
    """Check the pose file of an image in this process. Raises RejectedError."""
    try:
        options = pose_file_options(**(pose_options or {}))
        check_image_pose("image_pose", data, limits.pose_file(), options)
    except FileError as error:
        raise rejection("image_pose", error.problem, str(error)) from error


def are_quick(files: Mapping[str, Content]) -> bool:
    """Return whether all files are pose files small enough to be checked in the event loop."""
    return all(_is_quick(name, files) for name in files)


def memory_bytes(files: Mapping[str, Content], limits: InputLimits) -> int:
    """Return the largest memory that a child may need; the files are inspected one by one."""
    return max(
        required_bytes(_role(name, content), content, limits) for name, content in files.items()
    )


def _role(name: str, content: Content) -> str:
    """Return `poses` for a driving file that is JSON or a zip."""
    head = head_of(content)
    is_poses = looks_like_json(head) or head.startswith(ZIP_MAGIC)
    return "poses" if name == "driving" and is_poses else name


def _is_quick(name: str, files: Mapping[str, Content]) -> bool:
    content = files[name]
    return (
        isinstance(content, bytes)
        and len(content) <= QUICK_BYTES
        and _role(name, content) in ("poses", "image_pose")
        and not content.startswith(ZIP_MAGIC)
    )


def _info(
    role: str,
    content: Content,
    summary: FileSummary | None,
    limits: InputLimits,
    pose_options: Mapping[str, Any] | None,
) -> InputInfo:
    """Return the properties of a file; without a child's answer it is a small pose file."""
    size = size_of(content)
    if summary is None:
        assert isinstance(content, bytes)
        summary = FileSummary(suffix=".json")
        if role == "poses":
            summary.frames, summary.fps = inspect_poses(content, limits, pose_options)
        else:
            inspect_image_pose(content, limits, pose_options)
    if role == "image_pose":
        return InputInfo(".json", size_bytes=size)
    if role == "image":
        return InputInfo(summary.suffix, size_bytes=size)
    if role == "driving":
        return InputInfo(summary.suffix, DrivingKind.VIDEO, summary.frames, summary.seconds, size)
    # Quotas count the default rate, whatever rate the file declares.
    frames = summary.frames or 0
    seconds = frames / float(DEFAULT_FPS)
    return InputInfo(summary.suffix, DrivingKind.POSES, frames, seconds, size, summary.fps)
