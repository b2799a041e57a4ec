"""Resumable checkpoints, written atomically; a resumed run equals an uninterrupted one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tcan_core.errors import WeightsError
from tcan_core.models.weights.importing.importer import save_tensors

CHECKPOINT = "checkpoint.pt"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write the state to a temporary file, flush it to disk, then rename it to `path`.

    The temporary file has one name, so that those of killed runs do not pile up.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with _replaced(partial, path), partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Open a checkpoint that `save_checkpoint` wrote.

    Its tensors are memory-mapped, so that the processes of one machine share them (14 GB at full
    size). Copy what must outlive the file.

    Raises:
        WeightsError: the file is missing or not a checkpoint.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no checkpoint to resume from") from error
    except Exception as error:
        raise WeightsError(f"{path}: not a checkpoint of tcan ({error})") from error
    return state


def export_part(path: Path, weights: dict[str, Tensor], dtype: torch.dtype = torch.float32) -> None:
    """Write one part of a preset as safetensors, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cpu = {name: value.detach().to("cpu", dtype) for name, value in weights.items()}
    partial = path.with_suffix(".partial")
    with _replaced(partial, path):
        save_tensors(cpu, partial)


@contextmanager
def _replaced(partial: Path, path: Path) -> Iterator[None]:
    """Rename a temporary file to `path` after the block, or remove it on an error."""
    try:
        yield
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
