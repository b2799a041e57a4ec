"""Devices that models are put on."""

from __future__ import annotations

import torch

from tcan_core.errors import ParameterError


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
