"""What can be refused before anything is read: places, devices, wishes that cannot go together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from tcan_core.errors import ParameterError


def check_files(driving: Path, outputs: Sequence[Path], *, audio: bool = False) -> None:
    """Refuse what would show itself when all of the work is done.

    Args:
        driving: a video, or a pose file (`.json`).
        outputs: files that will be written.
        audio: whether the driver's sound is wanted.

    Raises:
        ParameterError: there is no folder for an output, or the driver has no sound.
    """
    for file in outputs:
        if file.is_dir():
            raise ParameterError(f"{file} is a folder; name a file in it")
        if not file.parent.is_dir():
            raise ParameterError(f"{file}: there is no folder {file.parent}; make it first")
    if audio and driving.suffix.lower() == ".json":
        raise ParameterError(f"{driving.name} is a pose file, which has no sound; leave it out")


def check_device(name: str) -> None:
    """Refuse a device that is not here, before a model is loaded for it.

    Raises:
        ParameterError: torch knows no such device, or does not see it.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ParameterError(f"there is no device {name!r}; use cpu, cuda or cuda:0") from error
    seen = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= seen:
        raise ParameterError(
            f"the device {name!r} is not here: torch {torch.__version__} sees {seen} CUDA devices; "
            "use cpu"
        )
