"""Memory of the device that a model runs on, and of this process."""

from __future__ import annotations

import resource
import sys
from typing import NamedTuple

import torch

# What is raised when the memory of a device, or of the machine, does not suffice.
OUT_OF_MEMORY = (torch.OutOfMemoryError, MemoryError)


class Memory(NamedTuple):
    """Bytes in use, by whomever, and bytes that there are."""

    used_bytes: int
    total_bytes: int


def cuda_memory(device: str) -> Memory | None:
    """Memory of a CUDA device, as its driver tells; None of any other device."""
    if torch.device(device).type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(torch.device(device))
    return Memory(total - free, total)


def free_unused(device: str) -> None:
    """Give memory that torch keeps for later use back to a CUDA device; elsewhere do nothing."""
    if torch.device(device).type == "cuda":
        torch.cuda.empty_cache()


def peak_memory_bytes() -> int:
    """Return the largest resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
