"""A folder for the big parts of one request; most requests have none."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from service.errors import Unavailable


class Spool:
    """Makes the folder when it is first asked for, and removes it at the end of a `with` block.

    A disk that takes no file there, or not all of one, raises Unavailable at the end of the block.

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
            self._made = tempfile.TemporaryDirectory(dir=self._parent, ignore_cleanup_errors=True)
        return Path(self._made.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._made is not None:
            self._made.cleanup()
        if isinstance(error, OSError):
            raise Unavailable(f"the disk does not take what callers send: {error}") from error
