"""Inspection of the files that callers send, before a job is made of them.

Small pose files are checked in this process; everything else is decoded in a child process.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Mapping
from dataclasses import dataclass

from media.limits import DEFAULT_FPS
from service.contract.job import DrivingKind
from service.input_limits import InputLimits
from service.inspection.checks import check_pose_file_size, inspect_poses
from service.inspection.decoder import Decoder
from service.inspection.memory_budget import head_of, required_bytes
from service.stores.object_store.base import Content, size_of

# A pose file of this size has 60 to 200 frames and is checked in one or two milliseconds.
QUICK_BYTES = 32 * 1024


@dataclass(frozen=True)
class InputInfo:
    """Properties of an input file.

    Attributes:
        suffix: of its format, such as `.png` and `.mp4`.
        kind: of a driving input; None for an image.
        frames: number of frames of a driving input, as its header declares.
        seconds: duration of a driving input.
        size_bytes: of the file.
    """

    suffix: str
    kind: DrivingKind | None = None
    frames: int | None = None
    seconds: float | None = None
    size_bytes: int = 0


def inspect_inputs(
    files: Mapping[str, Content], limits: InputLimits, decoder: Decoder
) -> dict[str, InputInfo]:
    """Check that an image and a driving video or pose file can be used.

    Args:
        files: by `image` and `driving`; one of them may be missing.
        limits: on the files.
        decoder: decodes them.

    Raises:
        RejectedError: a file cannot be read or is over a limit.
        UnavailableError: no decoder can be started.
    """
    infos = {}
    if "image" in files:
        image = files["image"]
        suffix = decoder.inspect("image", image, limits).suffix
        infos["image"] = InputInfo(suffix, size_bytes=size_of(image))
    if "driving" in files:
        infos["driving"] = _inspect_driving(files["driving"], limits, decoder)
    return infos


def are_quick(files: Mapping[str, Content]) -> bool:
    """Return whether all files are pose files small enough to be checked in the event loop."""
    return all(
        name == "driving"
        and isinstance(content, bytes)
        and len(content) <= QUICK_BYTES
        and looks_like_json(content)
        for name, content in files.items()
    )


def memory_bytes(files: Mapping[str, Content], limits: InputLimits) -> int:
    """Return the largest memory that a child may need; the files are inspected one by one."""
    roles = {
        name: "poses" if name == "driving" and looks_like_json(content) else name
        for name, content in files.items()
    }
    return max(required_bytes(roles[name], content, limits) for name, content in files.items())


def looks_like_json(content: Content) -> bool:
    """Return whether the content begins like a JSON array or object."""
    return head_of(content).removeprefix(BOM_UTF8).lstrip()[:1] in (b"[", b"{")


def _inspect_driving(content: Content, limits: InputLimits, decoder: Decoder) -> InputInfo:
    size = size_of(content)
    if not looks_like_json(content):
        video = decoder.inspect("driving", content, limits)
        return InputInfo(video.suffix, DrivingKind.VIDEO, video.frames, video.seconds, size)
    check_pose_file_size(size, limits)
    if isinstance(content, bytes) and size <= QUICK_BYTES:
        frames = inspect_poses(content, limits)
    else:
        frames = decoder.inspect("poses", content, limits).frames or 0
    # Quotas count the default rate, whatever rate the file declares.
    return InputInfo(".json", DrivingKind.POSES, frames, frames / float(DEFAULT_FPS), size)
