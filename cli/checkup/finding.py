"""The result of a check of a deployment."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
        area: part of the deployment.
        fix: what to do; empty if nothing is to be done.
    """

    area: str
    name: str
    level: Level
    detail: str
    fix: str = ""


def ok(area: str, name: str, detail: str) -> Finding:
    """Return a finding without a problem."""
    return Finding(area, name, Level.OK, detail)


def skipped(area: str, name: str, detail: str) -> Finding:
    """Return a finding for a check that was not possible."""
    return Finding(area, name, Level.SKIPPED, detail)


def warning(area: str, name: str, detail: str, fix: str) -> Finding:
    """Return a finding that fails under some circumstances."""
    return Finding(area, name, Level.WARNING, detail, fix)


def error(area: str, name: str, detail: str, fix: str) -> Finding:
    """Return a finding that makes jobs fail or can lose them."""
    return Finding(area, name, Level.ERROR, detail, fix)
