"""What a decoding child of the gateway does: look at one file, and say what it is.

`service.inspection.decoder` is the other side. All that is said is plain data.
"""

from __future__ import annotations

import io
from importlib import import_module
from typing import Any, BinaryIO

from PIL import Image

from sandbox.wire import Out
from service.contract.limits import InputLimits
from service.errors import RejectedError
from service.inspection.images import inspect_image
from service.inspection.poses import inspect_poses
from service.inspection.videos import inspect_video


def judge(file: BinaryIO, argument: dict[str, Any], out: Out) -> None:
    """Say the suffix and the frames of a file, or why it is refused.

    Args:
        argument: the `role`, `image`, `driving` or `poses`, and the `limits`.
    """
    limits = InputLimits.model_validate(argument["limits"])
    source = io.BufferedReader(file, 64 * 1024)  # type: ignore[type-var]  # a raw file
    try:
        if argument["role"] == "image":
            out.json({"suffix": inspect_image(source, limits)})
        elif argument["role"] == "poses":
            out.json({"frames": inspect_poses(source.read(), limits)})
        else:
            out.json(inspect_video(source, limits)._asdict())
    except RejectedError as error:
        out.json({"code": error.code, "detail": error.detail})


def load() -> None:
    """Load what decoders load when they are first used: a child may open no file."""
    Image.init()
    import_module("av.subtitles.stream")
