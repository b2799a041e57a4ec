"""Whose turn it is, by the arithmetic of `service/stores/lua/prelude.lua` (decision 0020)."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from service.contract.options import Priority

ORDER = {Priority.HIGH: 0, Priority.NORMAL: 1, Priority.LOW: 2}
Turn = tuple[int, int]


@dataclass
class Turns:
    """The clocks by which turns are given; a test holds their order to the scripts'."""

    _clocks: dict[Priority, int] = field(default_factory=dict)
    _ends: dict[tuple[Priority, str], int] = field(default_factory=dict)

    def give(self, caller: str, priority: Priority, units: int) -> Turn:
        """The turn of a job that is made now."""
        clock = self._clocks[priority] = self._clocks.get(priority, 0) + 1
        turn = max(clock, self._ends.get((priority, caller), 0))
        self._ends[priority, caller] = turn + units
        return ORDER[priority], turn

    def begin(self, priority: Priority, turn: Turn) -> None:
        """A job begins its main stage: what lies before its turn is past."""
        self._clocks[priority] = max(self._clocks.get(priority, 0), turn[1])


@dataclass
class Line:
    """Those that wait in one queue; the lowest turn goes first, of equal ones the older job."""

    _heap: list[tuple[Turn, int]] = field(default_factory=list)

    def add(self, turn: Turn, job: int) -> None:
        """Stand in line."""
        heapq.heappush(self._heap, (turn, job))

    def take(self) -> int | None:
        """The job whose turn it is; None when nobody waits."""
        return heapq.heappop(self._heap)[1] if self._heap else None

    def __len__(self) -> int:
        return len(self._heap)
