"""The one door through which the gateway looks at a caller's files.

`inspect_inputs` blocks and decodes; it takes paths and gives plain data, so that it can be done in
another process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from service.contract.errors import ErrorCode
from service.contract.job import DrivingKind
from service.contract.limits import InputLimits
from service.errors import Rejected
from service.media.images import inspect_image
from service.media.poses import inspect_poses
from service.media.videos import inspect_video


@dataclass(frozen=True)
class Inspected:
    """What an input is.

    Attributes:
        suffix: of its format, such as `.png` and `.mp4`.
        frames: of a driver, as far as its header tells.
    """

    suffix: str
    kind: DrivingKind | None = None
    frames: int | None = None


def inspect_inputs(files: Mapping[str, Path], limits: InputLimits) -> dict[str, Inspected]:
    """Make sure that an image and a driving video or pose file can be used.

    Args:
        files: by `image` and `driving`; a preview of poses has no image.

    Raises:
        Rejected: one of them cannot be read or is over a limit; says which and why.
    """
    found = {}
    if "image" in files:
        found["image"] = Inspected(inspect_image(files["image"], limits))
    found["driving"] = _inspect_driving(files["driving"], limits)
    return found


def _inspect_driving(file: Path, limits: InputLimits) -> Inspected:
    if not looks_like_json(file):
        video = inspect_video(file, limits)
        return Inspected(video.suffix, DrivingKind.VIDEO, video.frames)
    size = file.stat().st_size
    if size > limits.max_pose_bytes:
        raise Rejected(
            ErrorCode.BODY_TOO_LARGE,
            f"driving: the pose file has {size:,} bytes; "
            f"at most {limits.max_pose_bytes:,} are taken",
        )
    frames = inspect_poses(file.read_bytes(), limits)
    return Inspected(".json", DrivingKind.POSES, frames)


def looks_like_json(file: Path) -> bool:
    """Whether the file begins like a JSON array or object."""
    with open(file, "rb") as stream:
        return stream.read(256).lstrip()[:1] in (b"[", b"{")
