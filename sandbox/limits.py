"""How much a child may take."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True)
class ChildLimits:
    """Bounds on one child, which is ended when it reaches one.

    Attributes:
        memory_bytes: beyond what the loaded libraries take.
        cpu_s: processor time of all its threads.
        wait_s: that the parent waits for it, altogether; what the parent does between two messages
            does not count.
        output_bytes: of all its messages.
    """

    memory_bytes: int = 2048 * MIB
    cpu_s: int = 10
    wait_s: float = 20.0
    output_bytes: int = 64 * 1024
