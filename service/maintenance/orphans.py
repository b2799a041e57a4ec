"""Garbage collection of orphans: objects whose job does not exist.

Inputs are stored before their job's record, so only old objects are deleted. With an empty or wrong
job store all objects would seem to be orphans, so each job store marks its object store, and
nothing is deleted from an object store with another mark.
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
from service.stores.job_store.store import JobStore
from service.stores.object_store.base import ObjectStore

logger = logging.getLogger(__name__)

JOB_ID = re.compile(r"[0-9a-f]{32}")
MARKS = "marks"
# Much longer than any submit takes.
MIN_AGE_S = 3600.0
# Jobs checked in one round; the next round continues after them.
BATCH = 1000


@dataclass
class OrphanSweeper:
    """Deletes orphans, a batch with each `sweep`.

    Attributes:
        min_age_s: minimum age of the newest object of a job.
        batch: jobs checked by one `sweep`.
    """

    jobs: JobStore
    objects: ObjectStore
    min_age_s: float = MIN_AGE_S
    batch: int = BATCH
    _failed: set[str] = field(default_factory=set, init=False)
    _names: Iterator[str] = field(default_factory=lambda: iter(()), init=False)

    def sweep(self) -> None:
        """Check the next batch of jobs in the object store. Raises UnavailableError."""
        names = list(islice(self._names, self.batch))
        if not names:
            self._names = self.objects.folders("jobs")
            names = list(islice(self._names, self.batch))
        ids = [name for name in names if JOB_ID.fullmatch(name)]
        unknown = self.jobs.run(retention.missing_jobs(ids)) if ids else []
        if not unknown or not self._is_ours():
            return
        # Names that failed before come last, so that they do not block the others.
        self._failed = set(
            each(sorted(unknown, key=self._failed.__contains__), self._erase, are_jobs=True)
        )

    def _erase(self, job_id: str) -> None:
        age_s = self.objects.age_s(f"jobs/{job_id}")
        if age_s is not None and age_s > self.min_age_s:
            self.objects.delete(f"jobs/{job_id}")
            logger.info("objects of a missing job deleted: job=%s", job_id)

    def _is_ours(self) -> bool:
        """Return whether the only mark is this job store's; sets it if there is none."""
        mine = self.jobs.run(retention.store_identity(token_hex(16)))
        marks = self._marks()
        if not marks:
            self.objects.put(_mark(mine), b"")
            marks = self._marks()
        if marks != [mine]:
            logger.warning(
                "orphans kept: the object store is marked by job stores %s, this one is %s; delete "
                "the marks of retired job stores under %s/",
                ", ".join(marks), mine, MARKS,
            )  # fmt: skip
        return marks == [mine]

    def _marks(self) -> list[str]:
        # Some stores list a folder for a while after its last object was deleted.
        return [name for name in self.objects.folders(MARKS) if self.objects.exists(_mark(name))]


def _mark(name: str) -> str:
    return f"{MARKS}/{name}/mark"
