"""What an import found in one file: told in full to programs, in a few lines to people."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

NAMED_KEYS = 5


@dataclass
class FileReport:
    """A file against the preset's parts. Keys go by the file's own names where those are known.

    Attributes:
        file: path as given.
        kind: the format, guessed or given.
        matched: keys that fit, by part.
        missing: keys that a part needs and the file lacks.
        unexpected: keys that no part has a place for.
        mismatched: keys of another shape, with both shapes.
        filled: weights that the file lacks and nothing depends on; they become zero.
        ignored: keys that carry no weights, or belong to what the preset has not.
        dtypes: number of tensors by type.
        hints: what may help, or is good to know.
        written: file of each part, once written.
    """

    file: str
    kind: str
    matched: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    filled: int = 0
    ignored: int = 0
    dtypes: dict[str, int] = field(default_factory=dict)
    hints: list[str] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)

    @property
    def fits(self) -> bool:
        """Whether every key has its place and every place its key."""
        return bool(self.matched) and not (self.missing or self.unexpected or self.mismatched)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self) | {"fits": self.fits}

    def faults(self) -> str:
        """Return what does not fit, a few keys of each fault named."""
        by_fault = {
            "missing": self.missing,
            "unexpected": self.unexpected,
            "of another shape": self.mismatched,
        }
        told = [f"{len(keys)} {fault} ({_some(keys)})" for fault, keys in by_fault.items() if keys]
        return "; ".join(told) or "no weights that the preset has a place for"

    def lines(self) -> list[str]:
        """Return the report for people."""
        parts = ", ".join(f"{part} {count}" for part, count in self.matched.items()) or "none"
        types = ", ".join(f"{count} {name}" for name, count in self.dtypes.items())
        lines = [f"{self.file}: {self.kind}", f"  matched: {parts}", f"  types: {types}"]
        if not self.fits:
            lines.append(f"  does not fit: {self.faults()}")
        if self.filled:
            lines.append(f"  filled with zeros, nothing depends on them: {self.filled}")
        if self.ignored:
            lines.append(f"  ignored: {self.ignored}")
        return lines + [f"  {hint}" for hint in self.hints]


def _some(keys: list[str]) -> str:
    more = len(keys) - NAMED_KEYS
    return ", ".join(keys[:NAMED_KEYS]) + (f", and {more} more" if more > 0 else "")
