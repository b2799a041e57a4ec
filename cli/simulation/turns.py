"""Fair queueing without Redis: the arithmetic of `lua/lib/fair_queueing.lua` (decision 0020)."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from service.contract.options import Priority

ORDER = {Priority.HIGH: 0, Priority.NORMAL: 1, Priority.LOW: 2}
Turn = tuple[int, int]


@dataclass
class Turns:
    """Virtual clocks that assign turns; a test compares their order with the scripts'."""

    _clocks: dict[Priority, int] = field(default_factory=dict)
    _ends: dict[tuple[Priority, str], int] = field(default_factory=dict)

    def assign(self, caller: str, priority: Priority, units: int) -> Turn:
        """Return the turn of a new job; only a caller without open work advances the clock."""
        clock, ends = self._clocks.get(priority, 0), self._ends.get((priority, caller), 0)
        if ends <= clock:
            clock += 1
        turn = max(clock, ends)
        self._clocks[priority], self._ends[priority, caller] = clock, turn + units
        return ORDER[priority], turn

    def begin(self, caller: str, priority: Priority, turn: Turn) -> None:
        """Advance the clock to the turn of a job that begins its main stage."""
        clock = self._clocks[priority] = max(self._clocks.get(priority, 0), turn[1])
        if self._ends.get((priority, caller), 0) <= clock:
            self._ends.pop((priority, caller), None)


@dataclass
class Line:
    """The waiting jobs of one queue; the lowest turn goes first, of equal ones the older job."""

    _heap: list[tuple[Turn, int]] = field(default_factory=list)
    _by_class: list[int] = field(default_factory=lambda: [0] * len(ORDER))

    def add(self, turn: Turn, job: int) -> None:
        """Add a job."""
        heapq.heappush(self._heap, (turn, job))
        self._by_class[turn[0]] += 1

    def pop(self) -> int | None:
        """Remove and return the next job; None if no job waits."""
        if not self._heap:
            return None
        turn, job = heapq.heappop(self._heap)
        self._by_class[turn[0]] -= 1
        return job

    def waiting(self, priority: Priority) -> int:
        """Return the number of waiting jobs of a class."""
        return self._by_class[ORDER[priority]]

    def __len__(self) -> int:
        return len(self._heap)
