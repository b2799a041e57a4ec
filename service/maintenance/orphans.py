"""Erases objects of jobs that do not exist: of submits that failed half-way, or whose job is gone.

Inputs are stored before there is a record of their job, so only what is long there counts. And
since an empty or another's job store would make orphans of all jobs, nothing is erased from an
object store that another job store has put its mark on.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from secrets import token_hex

from service.maintenance.each import each
from service.stores.job_store import retention
from service.stores.job_store.store import Jobs
from service.stores.object_store.base import ObjectStore

logger = logging.getLogger(__name__)

JOB_ID = re.compile(r"[0-9a-f]{32}")
MARKS = "marks"
# Much longer than any submit takes.
LEAST_AGE_S = 3600.0
# Jobs that are looked at in one round; the next round goes on behind them.
BATCH = 1000


@dataclass
class Orphans:
    """One round of it is `sweep`.

    Attributes:
        least_age_s: nothing under a job's prefix may be younger.
    """

    jobs: Jobs
    objects: ObjectStore
    least_age_s: float = LEAST_AGE_S
    batch: int = BATCH
    _failed: set[str] = field(default_factory=set, init=False)
    _names: Iterator[str] = field(default_factory=lambda: iter(()), init=False)

    def sweep(self) -> None:
        """Look at the next jobs in the object store. Raises UnavailableError."""
        names = list(islice(self._names, self.batch))
        if not names:
            self._names = self.objects.folders("jobs")
            names = list(islice(self._names, self.batch))
        ids = [name for name in names if JOB_ID.fullmatch(name)]
        unknown = self.jobs.run(retention.missing_jobs(ids)) if ids else []
        if not unknown or not self._is_ours():
            return
        # Those that could not be erased before come last, and hold up none of the others.
        self._failed = set(each(sorted(unknown, key=self._failed.__contains__), self._erase))

    def _erase(self, job_id: str) -> None:
        age_s = self.objects.age_s(f"jobs/{job_id}")
        if age_s is not None and age_s > self.least_age_s:
            self.objects.delete(f"jobs/{job_id}")
            logger.info("job %s: there is no such job; its objects are erased", job_id)

    def _is_ours(self) -> bool:
        """Whether no other job store's mark is here; ours is set where there is none."""
        mine = self.jobs.run(retention.store_identity(token_hex(16)))
        marks = self._marks()
        if not marks:
            self.objects.put(_mark(mine), b"")
            marks = self._marks()
        if marks != [mine]:
            logger.warning(
                "objects without a job are left: the object store has the marks %s, and this job "
                "store is %s; delete those under %s/ whose job stores are no more",
                ", ".join(marks), mine, MARKS,
            )  # fmt: skip
        return marks == [mine]

    def _marks(self) -> list[str]:
        # Some stores list a folder for a while after its last object is gone.
        return [name for name in self.objects.folders(MARKS) if self.objects.exists(_mark(name))]


def _mark(name: str) -> str:
    return f"{MARKS}/{name}/mark"
