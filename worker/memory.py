"""Memory of this process, for models that run on the CPU."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from service.contract.workers import DeviceMemory

KIB = 1024


def process_memory() -> DeviceMemory:
    """Return this process's resident memory and the machine's memory.

    Without /proc the resident memory is the largest so far.
    """
    page = os.sysconf("SC_PAGE_SIZE")
    return DeviceMemory(
        device="cpu", used_bytes=_resident(page), total_bytes=page * os.sysconf("SC_PHYS_PAGES")
    )


def _resident(page: int) -> int:
    try:
        return page * int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return largest if sys.platform == "darwin" else largest * KIB
