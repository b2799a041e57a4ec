"""A Valkey of a given size, what work costs in it, and the row of a table that it makes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from redis import Redis

from service.stores.job_store.store import JobStore
from tests.servers import valkey

# Scripts of which the longest counts.
STEPS = 4
# Commands by which this module measures; they are not part of the work.
OWN_COMMANDS = ("cmdstat_config", "cmdstat_info")


@dataclass(frozen=True)
class World:
    """A Valkey that holds `size` of what a row is about.

    Attributes:
        is_counting: the cost of a script is the number of commands that it calls, not its time.
    """

    jobs: JobStore
    url: str
    folder: Path
    size: int
    is_counting: bool

    @property
    def redis(self) -> Redis:
        """The server, with decoded replies."""
        return self.jobs.redis

    def cost(self, work: Callable[[], object]) -> float:
        """Do the work; return what it costs the server, in ms of its CPU time or commands."""
        self.redis.config_resetstat()
        before_s = self._cpu_s()
        work()
        if not self.is_counting:
            return 1000 * (self._cpu_s() - before_s)
        calls = {name: each["calls"] for name, each in self.redis.info("commandstats").items()}
        return float(sum(calls[name] for name in calls if not name.startswith(OWN_COMMANDS)))

    def longest(self, steps: Iterable[Callable[[], object]]) -> float:
        """Do the first steps in turn, each of one script; return the cost of the longest."""
        return max(self.cost(step) for step in islice(steps, STEPS))

    def _cpu_s(self) -> float:
        used = self.redis.info("cpu")
        return float(used["used_cpu_user"] + used["used_cpu_sys"])


@contextmanager
def open_world(size: int, *, is_counting: bool) -> Iterator[World]:
    """Start an empty Valkey."""
    with tempfile.TemporaryDirectory() as name, valkey(Path(name)) as (url, _):
        jobs = JobStore.connect(url)
        try:
            # Its log of slow commands would take memory.
            jobs.redis.config_set("slowlog-log-slower-than", -1)
            yield World(jobs, url, Path(name), size, is_counting)
        finally:
            jobs.close()


@dataclass(frozen=True)
class Row:
    """Work whose cost must not grow with what is stored.

    Attributes:
        work: what is measured, in words.
        fill: fills an empty store with `world.size` of what the row is about.
        measure: does the work and returns its cost; called once in each round.
        ratio: largest allowed cost at the largest size, divided by that at the smallest.
        most: largest allowed cost at any size, in `unit`; not checked for numbers of commands.
        unit: unit of the cost.
    """

    work: str
    fill: Callable[[World], object]
    measure: Callable[[World], float]
    ratio: float = 2.0
    most: float = 20.0
    unit: str = "ms"
