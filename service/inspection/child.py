"""Inspection of the files of one request in a decoding child of the gateway.

`service.inspection.decoder` is the other side; the answer is one JSON message per file.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from media.files import MediaFile
from sandbox.wire import MessageWriter
from service.errors import RejectedError
from service.input_limits import InputLimits
from service.inspection.checks import (
    check_pose_file_size,
    inspect_image,
    inspect_poses,
    inspect_video,
)


def inspect(file: BinaryIO, argument: dict[str, Any], out: MessageWriter) -> None:
    """Send the format and the length of a file, or the reason for its rejection.

    Args:
        file: the open file.
        argument: the `role` (`image`, `driving` or `poses`), and the `limits`.
        out: receives the answer.
    """
    role, limits = argument["role"], InputLimits.model_construct(**argument["limits"])
    source = MediaFile(Path(role), file.fileno())
    try:
        if role == "image":
            out.json({"suffix": inspect_image(source, limits)})
        elif role == "poses":
            check_pose_file_size(os.fstat(file.fileno()).st_size, limits)
            out.json({"frames": inspect_poses(file.read(), limits)})
        else:
            out.json(inspect_video(source, limits)._asdict())
    except RejectedError as error:
        out.json({"code": error.code, "detail": error.detail})


def load() -> None:
    """Load modules that decoders would load at first use: a child cannot open files."""
    Image.init()
    import_module("av.subtitles.stream")
