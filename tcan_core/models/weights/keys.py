"""Read weights, and tell whether they fit a network and which keys do not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from tcan_core.errors import WeightsError
from tcan_core.models.weights.store import check_digest

NAMED_KEYS = 5


def check_keys(what: str, own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    """Compare a network's weights with those that it should load.

    Raises:
        WeightsError: names missing and unexpected keys, and shapes that differ.
    """
    faults = {
        "missing": sorted(set(own) - set(given)),
        "unexpected": sorted(set(given) - set(own)),
        "of another shape": [k for k in own if k in given and own[k].shape != given[k].shape],
    }
    told = [
        f"{len(keys)} {fault} ({', '.join(keys[:NAMED_KEYS])})"
        for fault, keys in faults.items()
        if keys
    ]
    if told:
        raise WeightsError(f"{what}: keys {'; '.join(told)}")


def read_safetensors(path: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """Read a file of weights, as float32.

    Args:
        sha256: that the preset says.

    Raises:
        WeightsError: the file is damaged, or has another sha256 than the preset, or the lock of
            the store in which it lies, says.
    """
    check_digest(path, sha256)
    try:
        return {key: value.float() for key, value in load_file(path).items()}
    except SafetensorError as error:
        raise WeightsError(f"{path}: not a safetensors file ({error})") from error
