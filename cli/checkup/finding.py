"""The result of a check of a deployment."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial


class Level(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    SKIPPED = "skipped"
    """Not checked; the finding says why."""
    WARNING = "warning"
    """It works now, but not under circumstances that the finding names."""
    ERROR = "error"
    """Jobs fail or can be lost."""


@dataclass(frozen=True)
class Finding:
    """One result of a check.

    Attributes:
        fix: what to do; empty if nothing is to be done.
    """

    level: Level
    name: str
    detail: str
    fix: str = ""


ok = partial(Finding, Level.OK)
skipped = partial(Finding, Level.SKIPPED)
warning = partial(Finding, Level.WARNING)
error = partial(Finding, Level.ERROR)
