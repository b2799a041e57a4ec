"""The one door through which the gateway looks at a caller's files.

`inspect_inputs` blocks and decodes; it takes paths and gives plain data, so that it can be done in
another process.
"""

from __future__ import annotations

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
    """What the inputs are: suffixes such as `.png` and `.mp4`, and what drives the animation."""

    image_suffix: str
    driving_suffix: str
    driving_kind: DrivingKind


def inspect_inputs(image: Path, driving: Path, limits: InputLimits) -> Inspected:
    """Make sure that an image and a driving video or pose file can be used.

    Raises:
        Rejected: one of them cannot be read or is over a limit; says which and why.
    """
    image_suffix = inspect_image(image, limits)
    if looks_like_json(driving):
        size = driving.stat().st_size
        if size > limits.max_pose_bytes:
            raise Rejected(
                ErrorCode.BODY_TOO_LARGE,
                f"driving: the pose file has {size:,} bytes; "
                f"at most {limits.max_pose_bytes:,} are taken",
            )
        inspect_poses(driving.read_bytes(), limits)
        return Inspected(image_suffix, ".json", DrivingKind.POSES)
    return Inspected(image_suffix, inspect_video(driving, limits), DrivingKind.VIDEO)


def looks_like_json(file: Path) -> bool:
    """Whether the file begins like a JSON array or object."""
    with open(file, "rb") as stream:
        return stream.read(256).lstrip()[:1] in (b"[", b"{")
