"""Devices that models are put on."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tcan_core.errors import ParameterError


def check_device(name: str) -> None:
    """Refuse a device that is not here, before a model is loaded for it.

    Raises:
        ParameterError: torch knows no such device, or does not see it.
    """
    device = _known(name)
    seen = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= seen:
        raise ParameterError(
            f"the device {name!r} is not here: torch {torch.__version__} sees {seen} CUDA devices; "
            "use cpu"
        )


def check_devices(names: Sequence[str]) -> None:
    """Refuse devices that cannot share a video, a GPU that is named twice among them.

    Raises:
        ParameterError: as `check_device`, or of the second naming.
    """
    gpus = [device.index or 0 for device in map(_known, names) if device.type == "cuda"]
    if len(set(gpus)) < len(gpus):
        raise ParameterError(f"{','.join(names)} names a GPU twice; each device shares once")
    for name in names:
        check_device(name)


def _known(name: str) -> torch.device:
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ParameterError(f"there is no device {name!r}; use cpu, cuda or cuda:0") from error
