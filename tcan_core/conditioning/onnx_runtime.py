"""The library onnxruntime, which the detectors of real people run on."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tcan_core.errors import ConfigError, ParameterError, WeightsError

Network = TypeVar("Network")
_DEVICE = re.compile(r"cpu|cuda(:\d+)?")


def import_onnxruntime(detector: str, device: str) -> Any:
    """Return the library, without its telemetry, after a check that it supports the device.

    Args:
        detector: the detector that needs it; also the name of the extra that installs it.
        device: "cpu", "cuda" or "cuda:N".

    Raises:
        ParameterError: there is no such device.
        ConfigError: the library is not installed, or does not support the device.
    """
    if not _DEVICE.fullmatch(device):
        raise ParameterError(
            f"detector {detector} cannot run on {device!r}; use cpu, cuda or cuda:0"
        )
    # Since 1.29 it sends usage data to its makers unless this is set before the import:
    # https://github.com/microsoft/onnxruntime/pull/27379
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise missing_library(detector, error) from error
    providers = onnxruntime.get_available_providers()
    # Without the provider onnxruntime would silently use the CPU.
    if device.startswith("cuda") and "CUDAExecutionProvider" not in providers:
        raise ConfigError(
            f"detector {detector} cannot run on {device}: onnxruntime has {', '.join(providers)};"
            f" install onnxruntime-gpu in its place, or use {detector}@cpu"
        )
    return onnxruntime


def missing_library(detector: str, error: ImportError) -> ConfigError:
    """Return the error that names the extra of a detector."""
    return ConfigError(
        f"detector {detector} needs the extra `{detector}` ({error}); install it by"
        f" `make {detector}` or `pip install 'tcan[{detector}]'`"
    )


def load_network(file: Path, load: Callable[[str], Network]) -> Network:
    """Return what `load` makes of a file. Raises WeightsError if it is no network."""
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    try:
        return load(str(file))
    except (errors.InvalidArgument, errors.InvalidGraph, errors.InvalidProtobuf) as error:
        raise WeightsError(f"{file}: not a network that onnxruntime reads ({error})") from error
