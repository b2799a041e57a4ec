"""Report of the import of one file: complete as JSON, and a few lines for display."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

NAMED_KEYS = 5


@dataclass
class FileReport:
    """Comparison of a file with the preset's parts, with the file's own key names if known.

    Attributes:
        kind: format, guessed or chosen by the user.
        matched: number of fitting keys by part.
        missing: keys that a part needs and the file lacks.
        unexpected: keys that fit no part.
        mismatched: keys of another shape, with both shapes.
        causes: sizes of networks that explain the other shapes.
        filled: number of missing weights that have no effect and are set to zero.
        ignored: number of keys without weights, or of parts that the preset does not have.
        dtypes: number of tensors by dtype.
        written: path of each part, after writing.
    """

    file: str
    kind: str
    matched: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)
    causes: list[str] = field(default_factory=list)
    filled: int = 0
    ignored: int = 0
    dtypes: dict[str, int] = field(default_factory=dict)
    hints: list[str] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)

    @property
    def fits(self) -> bool:
        """True if all keys of the file and of the parts match."""
        return bool(self.matched) and not (self.missing or self.unexpected or self.mismatched)

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return asdict(self) | {"fits": self.fits}

    def faults(self) -> str:
        """Return a summary of the faults: causes if known, and a few keys of each fault."""
        by_fault = {"missing": self.missing, "unexpected": self.unexpected}
        if self.causes:
            return "; ".join(self.causes)
        by_fault |= {"of another shape": self.mismatched}
        faults = [f"{len(keys)} {name} ({_some(keys)})" for name, keys in by_fault.items() if keys]
        return "; ".join(faults) or "no weights for any part of the preset"

    def lines(self) -> list[str]:
        """Return the report as lines for display."""
        parts = ", ".join(f"{part} {count}" for part, count in self.matched.items()) or "none"
        types = ", ".join(f"{count} {name}" for name, count in self.dtypes.items())
        lines = [f"{self.file}: {self.kind}", f"  matched: {parts}", f"  types: {types}"]
        if not self.fits:
            lines.append(f"  does not fit: {self.faults()}")
        if self.filled:
            lines.append(f"  set to zero, without effect: {self.filled}")
        if self.ignored:
            lines.append(f"  ignored: {self.ignored}")
        return lines + [f"  {hint}" for hint in self.hints]


def _some(keys: list[str]) -> str:
    more = len(keys) - NAMED_KEYS
    return ", ".join(keys[:NAMED_KEYS]) + (f", and {more} more" if more > 0 else "")
