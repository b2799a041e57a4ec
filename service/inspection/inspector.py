"""Inspection of the files that callers send, before a job is made of them.

Small pose files are checked in this process; everything else is decoded in a child process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from service.contract.errors import ErrorCode
from service.contract.job import DrivingKind
from service.contract.limits import InputLimits
from service.errors import RejectedError
from service.inspection.decoder import Decoder
from service.inspection.memory_budget import head_of, needed_bytes
from service.inspection.poses import BYTE_ORDER_MARK, inspect_poses
from service.stores.object_store.base import Content, size_of


@dataclass(frozen=True)
class InputInfo:
    """What an input is.

    Attributes:
        suffix: of its format, such as `.png` and `.mp4`.
        frames: of a driver, as far as its header tells.
        seconds: likewise.
        size_bytes: of the file.
    """

    suffix: str
    kind: DrivingKind | None = None
    frames: int | None = None
    seconds: float | None = None
    size_bytes: int = 0


# A pose file of this size holds sixty to two hundred frames and is read in about a millisecond.
QUICK_BYTES = 32 * 1024
# Most pose files do not tell their rate; for quotas this one counts, whatever they tell.
POSE_FPS = 25


def inspect_inputs(
    files: Mapping[str, Content], limits: InputLimits, decoder: Decoder
) -> dict[str, InputInfo]:
    """Make sure that an image and a driving video or pose file can be used.

    Args:
        files: by `image` and `driving`; one of them may be missing.

    Raises:
        RejectedError: one of them cannot be read or is over a limit; says which and why.
        UnavailableError: no decoder can be started.
    """
    found = {}
    if "image" in files:
        image = files["image"]
        suffix = decoder.look("image", image, limits).suffix
        found["image"] = InputInfo(suffix, size_bytes=size_of(image))
    if "driving" in files:
        found["driving"] = _inspect_driving(files["driving"], limits, decoder)
    return found


def are_quick(files: Mapping[str, Content]) -> bool:
    """Return whether all of them are pose files small enough to be checked in the event loop."""
    return all(
        name == "driving"
        and isinstance(content, bytes)
        and len(content) <= QUICK_BYTES
        and looks_like_json(content)
        for name, content in files.items()
    )


def memory_bytes(files: Mapping[str, Content], limits: InputLimits) -> int:
    """The most that the child of one of them may take; they are looked at one after the other."""
    roles = {
        name: "poses" if name == "driving" and looks_like_json(content) else name
        for name, content in files.items()
    }
    return max(needed_bytes(roles[name], content, limits) for name, content in files.items())


def _inspect_driving(content: Content, limits: InputLimits, decoder: Decoder) -> InputInfo:
    size = size_of(content)
    if not looks_like_json(content):
        video = decoder.look("driving", content, limits)
        return InputInfo(video.suffix, DrivingKind.VIDEO, video.frames, video.seconds, size)
    if size > limits.max_pose_bytes:
        raise RejectedError(
            ErrorCode.BODY_TOO_LARGE,
            f"driving: the pose file has {size:,} bytes; "
            f"at most {limits.max_pose_bytes:,} are taken",
        )
    if isinstance(content, bytes) and size <= QUICK_BYTES:
        frames = inspect_poses(content, limits)
    else:
        frames = decoder.look("poses", content, limits).frames or 0
    return InputInfo(".json", DrivingKind.POSES, frames, frames / POSE_FPS, size)


def looks_like_json(content: Content) -> bool:
    """Whether it begins like a JSON array or object."""
    return head_of(content).removeprefix(BYTE_ORDER_MARK).lstrip()[:1] in (b"[", b"{")
