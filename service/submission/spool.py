"""A folder for the big parts of one request; most requests have none."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Self


class Spool:
    """Makes the folder when it is first asked for, and removes it at the end of a `with` block.

    Args:
        parent: exists.
    """

    def __init__(self, parent: Path) -> None:
        self._parent = parent
        self._made: tempfile.TemporaryDirectory[str] | None = None

    @property
    def folder(self) -> Path:
        """The folder."""
        if self._made is None:
            self._made = tempfile.TemporaryDirectory(dir=self._parent)
        return Path(self._made.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._made is not None:
            self._made.cleanup()
