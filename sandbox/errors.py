"""Errors of the sandbox.

SandboxError
├── ChildStoppedError     the child crashed on the file, or reached a limit
└── SandboxUnusableError  no child can be started, whatever the file
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """The reason for which a child stopped early."""

    MEMORY = "memory"
    CPU = "cpu"
    TIME = "time"
    OUTPUT = "output"
    CRASH = "crash"


class SandboxError(Exception):
    """The root of the sandbox's errors."""


class ChildStoppedError(SandboxError):
    """The child crashed on the file, or reached a limit.

    Args:
        reason: the limit that was reached, or a crash.
        detail: end of a sentence that begins with "the decoder ".
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class SandboxUnusableError(SandboxError):
    """No child can be started, whatever the file."""
