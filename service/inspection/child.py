"""Inspection of the files of one request in a decoding child of the gateway.

`service.inspection.decoder` is the other side; the answer is one JSON message per file. Only
`media` is loaded: forking takes longer, the more modules a process has loaded.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from media.errors import FileError
from media.files import MediaFile
from media.image_file import check_image
from media.limits import MediaLimits, PoseFileLimits
from media.poses.archive import ZIP_MAGIC, load_codecs, read_zip
from media.poses.document import check_image_pose, check_pose_file, pose_file_options
from media.video_check import check_video
from sandbox.wire import MessageWriter


def inspect(file: BinaryIO, argument: dict[str, Any], out: MessageWriter) -> None:
    """Send the format and the length of a file, or its problem.

    Args:
        file: the open file.
        argument: the `role` (`image`, `driving`, `poses` or `image_pose`), the `limits`, and the
            `pose_options`, arguments of `media.poses.document.pose_file_options`.
        out: receives the answer.
    """
    role, limits = argument["role"], argument["limits"]
    source = MediaFile(Path(role), file.fileno())
    try:
        if role == "image":
            out.json({"suffix": check_image(source, MediaLimits(**limits))})
        elif role == "poses":
            out.json(_check_poses(file, PoseFileLimits(**limits), argument["pose_options"]))
        elif role == "image_pose":
            _check_image_pose(file, PoseFileLimits(**limits), argument["pose_options"])
            out.json({})
        else:
            out.json(check_video(source, MediaLimits(**limits))._asdict())
    except FileError as error:
        out.json({"problem": error.problem, "detail": str(error)})


def load() -> None:
    """Load modules that decoders would load at first use: a child cannot open files."""
    Image.init()
    import_module("av.subtitles.stream")
    load_codecs()


def _check_poses(file: BinaryIO, limits: PoseFileLimits, options: dict[str, Any]) -> dict[str, Any]:
    """Return suffix and length of a pose file, or of a zip of them."""
    limits.check_bytes("driving", os.fstat(file.fileno()).st_size)
    head = file.read(len(ZIP_MAGIC))
    file.seek(0)
    is_zip = head == ZIP_MAGIC
    files = read_zip("driving", file, limits) if is_zip else file.read()
    length = check_pose_file("driving", files, limits, pose_file_options(**options))
    return {"suffix": ".zip" if is_zip else ".json", **length._asdict()}


def _check_image_pose(file: BinaryIO, limits: PoseFileLimits, options: dict[str, Any]) -> None:
    limits.check_bytes("image_pose", os.fstat(file.fileno()).st_size)
    check_image_pose("image_pose", file.read(), limits, pose_file_options(**options))
