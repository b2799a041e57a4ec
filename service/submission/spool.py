"""A folder for the big parts of one request; most requests have none."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from service.errors import UnavailableError
from service.stores.scratch import scratch_folder
from service.submission.disk_budget import Room


class Spool:
    """Makes the folder when it is first asked for, and removes it at the end of a `with` block.

    Raises UnavailableError at the end of the block if a file could not be written.

    Args:
        parent: exists.
        room: that all spools of the gateway share.
    """

    def __init__(self, parent: Path, room: Room) -> None:
        self._parent = parent
        self._room = room
        self._held: dict[str, int] = {}
        self._made: Path | None = None
        self._stack = ExitStack()

    @property
    def folder(self) -> Path:
        """The folder."""
        if self._made is None:
            self._made = self._stack.enter_context(scratch_folder(self._parent))
        return self._made

    def hold(self, name: str, size_bytes: int) -> None:
        """Have room for so many bytes of this file altogether, before they are written.

        Raises:
            RejectedError: there is no room for them now.
        """
        more = size_bytes - self._held.get(name, 0)
        if more > 0:
            self._room.take(more)
            self._held[name] = size_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()
        self._room.give_back(sum(self._held.values()))
        if isinstance(error, OSError):
            raise UnavailableError(f"the disk does not take what callers send: {error}") from error
