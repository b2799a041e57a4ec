"""Memory of the device that a model runs on."""

from __future__ import annotations

from typing import NamedTuple

import torch


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
