"""The one door through which the gateway looks at a caller's files.

`inspect_inputs` blocks and decodes; it takes bytes or paths and gives plain data, so that it can be
done in another process. `are_quick` tells which inputs are not worth a thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from service.contract.errors import ErrorCode
from service.contract.job import DrivingKind
from service.contract.limits import InputLimits
from service.errors import Rejected
from service.media.images import inspect_image, is_quick
from service.media.poses import BYTE_ORDER_MARK, inspect_poses
from service.media.videos import inspect_video
from service.stores.objects import Content, size_of


@dataclass(frozen=True)
class Inspected:
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


def inspect_inputs(files: Mapping[str, Content], limits: InputLimits) -> dict[str, Inspected]:
    """Make sure that an image and a driving video or pose file can be used.

    Args:
        files: by `image` and `driving`; one of them may be missing.

    Raises:
        Rejected: one of them cannot be read or is over a limit; says which and why.
    """
    found = {}
    if "image" in files:
        suffix = inspect_image(files["image"], limits)
        found["image"] = Inspected(suffix, size_bytes=size_of(files["image"]))
    if "driving" in files:
        found["driving"] = _inspect_driving(files["driving"], limits)
    return found


def are_quick(files: Mapping[str, Content]) -> bool:
    """Whether inspecting all of them takes no longer than handing them to a thread."""
    return all(
        isinstance(content, bytes)
        and len(content) <= QUICK_BYTES
        and (is_quick(content) if name == "image" else looks_like_json(content))
        for name, content in files.items()
    )


def _inspect_driving(content: Content, limits: InputLimits) -> Inspected:
    size = size_of(content)
    if not looks_like_json(content):
        video = inspect_video(content, limits)
        return Inspected(video.suffix, DrivingKind.VIDEO, video.frames, video.seconds, size)
    if size > limits.max_pose_bytes:
        raise Rejected(
            ErrorCode.BODY_TOO_LARGE,
            f"driving: the pose file has {size:,} bytes; "
            f"at most {limits.max_pose_bytes:,} are taken",
        )
    text = content if isinstance(content, bytes) else content.read_bytes()
    frames = inspect_poses(text, limits)
    return Inspected(".json", DrivingKind.POSES, frames, frames / POSE_FPS, size)


def looks_like_json(content: Content) -> bool:
    """Whether it begins like a JSON array or object."""
    if isinstance(content, bytes):
        head = content[:256]
    else:
        with open(content, "rb") as stream:
            head = stream.read(256)
    return head.removeprefix(BYTE_ORDER_MARK).lstrip()[:1] in (b"[", b"{")
