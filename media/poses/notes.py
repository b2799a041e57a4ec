"""Counts of what a reader left out or changed in a pose file."""

from __future__ import annotations

MAX_KINDS = 8


class Notes:
    """Changes to a pose file by kind, each with its count and its first place.

    Attributes:
        total: number of all changes.
        odd_confidences: number of confidences below 0 that are not -1, which means "missing".
    """

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._places: dict[str, str] = {}
        self._others = 0
        self.total = 0
        self.odd_confidences = 0

    def add(self, what: str, where: str = "") -> None:
        """Count a change.

        Args:
            what: the kind of change, such as "hands left out because they have 20 points".
            where: place in the file.
        """
        self.total += 1
        if what not in self._counts and len(self._counts) >= MAX_KINDS:
            self._others += 1
            return
        self._counts[what] = self._counts.get(what, 0) + 1
        self._places.setdefault(what, where)

    def sentences(self) -> list[str]:
        """Return a sentence for each kind."""
        sentences = [
            f"{what}: {count:,}, first in {self._places[what]}" if self._places[what] else what
            for what, count in self._counts.items()
        ]
        return sentences + ([f"other changes: {self._others:,}"] if self._others else [])
