"""Memory of a model's device and of this process."""

from __future__ import annotations

import resource
import sys
from typing import NamedTuple

import torch

# Raised when a device, or the machine, is out of memory.
OUT_OF_MEMORY = (torch.OutOfMemoryError, MemoryError)


class Memory(NamedTuple):
    """Bytes in use, by any process, and all bytes."""

    used_bytes: int
    total_bytes: int


def cuda_memory(device: str) -> Memory | None:
    """Return the memory of a CUDA device by the NVIDIA driver; None for other devices."""
    if torch.device(device).type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(torch.device(device))
    return Memory(total - free, total)


def free_unused(device: str) -> None:
    """Return memory that torch's allocator has cached to a CUDA device; elsewhere do nothing."""
    if torch.device(device).type == "cuda":
        torch.cuda.empty_cache()


def peak_memory_bytes() -> int:
    """Return the largest resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
