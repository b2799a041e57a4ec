"""Memory of this process, for models that run on the processor."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from service.contract.workers import DeviceMemory

KIB = 1024


def process_memory() -> DeviceMemory:
    """Resident memory of this process (its largest so far where only that is known), and all."""
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
