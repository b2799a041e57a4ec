"""Resource limits of a child."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True)
class ChildLimits:
    """Resource limits of one child, which is stopped when it reaches one.

    Attributes:
        memory_bytes: address space, in addition to the loaded libraries.
        cpu_s: processor time of all its threads, for all its requests.
        wait_s: total time that the parent waits for messages, per file of a request.
        output_bytes: total size of its messages to one request.
    """

    memory_bytes: int = 2048 * MIB
    cpu_s: int = 10
    wait_s: float = 20.0
    output_bytes: int = 64 * 1024
