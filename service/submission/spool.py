"""Memory of a request's body, and a temporary folder for its big files."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from service.errors import UnavailableError
from service.stores.scratch import scratch_folder
from service.submission.body_memory import BodyMemory
from service.submission.disk_budget import DiskBudget


class Spool:
    """Creates the folder on first use; removes it and releases the memory after a `with` block.

    The block raises UnavailableError for an OSError inside it.

    Args:
        parent: an existing folder.
        budget: disk budget that all requests of the gateway share.
        memory: the same for memory.
        caller: whose request it is; empty if it has none.
    """

    def __init__(
        self, parent: Path, budget: DiskBudget, memory: BodyMemory, caller: str = ""
    ) -> None:
        self._parent = parent
        self._budget = budget
        self._memory = memory
        self._caller = caller
        self._held_bytes = 0
        self._reserved: dict[str, int] = {}
        self._folder: Path | None = None
        self._stack = ExitStack()

    @property
    def folder(self) -> Path:
        """The folder, created on first use."""
        if self._folder is None:
            self._folder = self._stack.enter_context(scratch_folder(self._parent))
        return self._folder

    def reserve(self, name: str, size_bytes: int) -> None:
        """Reserve space for this many bytes of a file in total, before they are written.

        Raises:
            RejectedError: the budget is used up.
        """
        more = size_bytes - self._reserved.get(name, 0)
        if more > 0:
            self._budget.reserve(more)
            self._reserved[name] = size_bytes

    def hold(self, size_bytes: int) -> None:
        """Hold this many bytes of the body in memory from now on.

        Raises:
            RejectedError: all requests together, or those of the caller, hold too many.
        """
        self._memory.resize(self._caller, self._held_bytes, size_bytes)
        self._held_bytes = size_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()
        self._budget.release(sum(self._reserved.values()))
        self.hold(0)
        if isinstance(error, OSError):
            raise UnavailableError(f"could not write to the spool folder: {error}") from error
