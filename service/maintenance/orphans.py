"""Garbage collection of orphans: objects whose job or upload does not exist.

Inputs are stored before their job's record, so only old objects are deleted. A file that was being
sent when its upload expired arrives after the upload was deleted. With an empty or wrong
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
from service.stores.job_store import retention, uploads
from service.stores.job_store.store import JobStore
from service.stores.object_store.base import ObjectStore

logger = logging.getLogger(__name__)

ID = re.compile(r"[0-9a-f]{32}")
# The commands that find ids without an owner, by the prefix of their objects.
FIND_MISSING = {"jobs": retention.missing_jobs, "uploads": uploads.missing_uploads}
MARKS = "marks"
# Much longer than any submit takes.
MIN_AGE_S = 3600.0
# Jobs and uploads checked in one round; the next round continues after them.
BATCH = 1000


@dataclass
class OrphanSweeper:
    """Deletes orphans, a batch with each `sweep`.

    Attributes:
        min_age_s: minimum age of the newest object of a job or upload.
        batch: jobs and uploads checked by one `sweep`.
    """

    jobs: JobStore
    objects: ObjectStore
    min_age_s: float = MIN_AGE_S
    batch: int = BATCH
    _failed: set[str] = field(default_factory=set, init=False)
    _folders: Iterator[str] = field(default_factory=lambda: iter(()), init=False)

    def sweep(self) -> None:
        """Check the next batch of the object store. Raises UnavailableError."""
        folders = list(islice(self._folders, self.batch))
        if not folders:
            self._folders = self._all_folders()
            folders = list(islice(self._folders, self.batch))
        missing = self._missing(folders)
        if not missing or not self._is_ours():
            return
        # Folders that failed before come last, so that they do not block the others.
        self._failed = set(
            each(sorted(missing, key=self._failed.__contains__), self._erase, are_jobs=False)
        )

    def _all_folders(self) -> Iterator[str]:
        for prefix in FIND_MISSING:
            for name in self.objects.folders(prefix):
                yield f"{prefix}/{name}"

    def _missing(self, folders: list[str]) -> list[str]:
        """Return the folders whose job or upload does not exist."""
        missing = []
        for prefix, find in FIND_MISSING.items():
            names = [folder.removeprefix(f"{prefix}/") for folder in folders]
            ids = [name for name in names if ID.fullmatch(name)]
            missing += [f"{prefix}/{name}" for name in self.jobs.run(find(ids))] if ids else []
        return missing

    def _erase(self, folder: str) -> None:
        age_s = self.objects.age_s(folder)
        if age_s is not None and age_s > self.min_age_s:
            self.objects.delete(folder)
            logger.info("orphaned objects deleted: folder=%s", folder)

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
