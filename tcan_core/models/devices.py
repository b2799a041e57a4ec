"""Validation of device names."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tcan_core.errors import ParameterError


def check_device(name: str) -> None:
    """Check that a device exists, before a model is loaded for it.

    Raises:
        ParameterError: the name is not a torch device, or the device does not exist.
    """
    device = _parse_device(name)
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        raise ParameterError(
            f"device {name!r} does not exist: torch {torch.__version__} finds {count} CUDA "
            "devices; use cpu"
        )


def check_devices(names: Sequence[str]) -> None:
    """Check that all devices exist and no GPU is named twice.

    Raises:
        ParameterError: a device does not exist, or a GPU is named twice.
    """
    gpus = [device.index or 0 for device in map(_parse_device, names) if device.type == "cuda"]
    if len(set(gpus)) < len(gpus):
        raise ParameterError(f"devices {','.join(names)} name a GPU twice; name each GPU once")
    for name in names:
        check_device(name)


def _parse_device(name: str) -> torch.device:
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ParameterError(f"{name!r} is not a device; use cpu, cuda or cuda:0") from error
