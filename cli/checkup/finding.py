"""What a look at a part of a deployment found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    SKIPPED = "skipped"
    """It could not be looked at from here; the finding says why."""
    WARNING = "warning"
    """It works, and will not under some circumstances that the finding names."""
    ERROR = "error"
    """Jobs fail, or can be lost."""


@dataclass(frozen=True)
class Finding:
    """One fact.

    Attributes:
        area: of the deployment.
        mend: what to do about it; empty where nothing is to be done.
    """

    area: str
    name: str
    level: Level
    detail: str
    mend: str = ""


def ok(area: str, name: str, detail: str) -> Finding:
    """All is well."""
    return Finding(area, name, Level.OK, detail)


def skipped(area: str, name: str, detail: str) -> Finding:
    """It could not be looked at."""
    return Finding(area, name, Level.SKIPPED, detail)


def warning(area: str, name: str, detail: str, mend: str) -> Finding:
    """It will fail under some circumstances."""
    return Finding(area, name, Level.WARNING, detail, mend)


def error(area: str, name: str, detail: str, mend: str) -> Finding:
    """It does not work, or can lose jobs."""
    return Finding(area, name, Level.ERROR, detail, mend)
