"""What goes wrong with a child.

SandboxError
├── ChildStoppedError     the file broke it: a limit was reached, or it crashed
└── SandboxUnusableError  no child can be made here, whatever the file
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a child ended before it had done its work."""

    MEMORY = "memory"
    CPU = "cpu"
    TIME = "time"
    OUTPUT = "output"
    CRASH = "crash"


class SandboxError(Exception):
    """The root."""


class ChildStoppedError(SandboxError):
    """The file broke the child.

    Args:
        reason: the limit that was reached, or a crash.
        detail: half a sentence for the reader, after "the decoder ".
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class SandboxUnusableError(SandboxError):
    """No child can be made here, whatever the file."""
