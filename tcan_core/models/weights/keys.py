"""Reading of weights files, and comparison of their keys with a network's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from tcan_core.errors import WeightsError
from tcan_core.models.weights.store import check_digest

NAMED_KEYS = 5


def check_keys(what: str, own: Mapping[str, Tensor], loaded: Mapping[str, Tensor]) -> None:
    """Check that loaded weights fit a network.

    Args:
        what: name of the weights, for the error message.

    Raises:
        WeightsError: keys are missing or unexpected, or shapes differ; the message names some.
    """
    faults = {
        "missing": sorted(set(own) - set(loaded)),
        "unexpected": sorted(set(loaded) - set(own)),
        "of another shape": [k for k in own if k in loaded and own[k].shape != loaded[k].shape],
    }
    problems = [
        f"{len(keys)} {fault} ({', '.join(keys[:NAMED_KEYS])})"
        for fault, keys in faults.items()
        if keys
    ]
    if problems:
        raise WeightsError(f"{what}: keys {'; '.join(problems)}")


def read_safetensors(path: Path, sha256: str | None = None) -> dict[str, Tensor]:
    """Read a weights file as float32.

    Args:
        sha256: expected digest by the preset; None skips this check.

    Raises:
        WeightsError: the file is damaged, or its digest differs from the preset's or from the lock
            of its store.
    """
    check_digest(path, sha256)
    try:
        return {key: value.float() for key, value in load_file(path).items()}
    except SafetensorError as error:
        raise WeightsError(f"{path}: not a safetensors file ({error})") from error
