"""Erases what has had its time: ended jobs with their objects, uploads, and what others left.

A job stands in the set that is swept only once it has ended, and `erase` looks again; so a live
job is never touched. Objects go before the record: a sweep that is cut off is done again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from service.maintenance.each import each
from service.maintenance.orphans import Orphans
from service.stores.job_store import commands, presence, retention, uploads
from service.stores.job_store.store import Jobs
from service.stores.object_store.base import ObjectStore
from service.stores.scratch import sweep_scratch

logger = logging.getLogger(__name__)

INTERVAL_S = 10.0
ROLE = "sweeper"
ROLE_MS = 30_000
PUT_OFF_MS = 10 * 60 * 1000


@dataclass(frozen=True)
class Sweeper:
    """One step of it is `act`. Each gateway and worker has one; one of all is at work at a time.

    Attributes:
        keeper: the name of its process.
        scratch: where this process, and others on this machine, keep their files on the way; each
            looks after that by itself.
    """

    jobs: Jobs
    objects: ObjectStore
    keeper: str
    scratch: Path
    orphans: Orphans

    def act(self) -> None:
        """Erase a batch of each. Raises UnavailableError when the job store does not answer."""
        sweep_scratch(self.scratch)
        if not self.jobs.run(presence.hold_role(ROLE, self.keeper, ROLE_MS)):
            return
        self._each("expiries", self.jobs.run(commands.expired_jobs()), self._erase_job)
        spent = self.jobs.run(retention.obsolete_checkpoints())
        self._each("checkpoints:spent", spent, self._erase_checkpoints)
        self._each("uploads:ends", self.jobs.run(uploads.expired_uploads()), self._erase_upload)
        self.orphans.sweep()

    def _erase_job(self, job_id: str) -> None:
        self.objects.delete(f"jobs/{job_id}")
        self.jobs.run(commands.erase(job_id, keep_pending_deliveries=True))
        logger.info("job %s: its time is over; it is erased", job_id)

    def _erase_checkpoints(self, job_id: str) -> None:
        """Those of every worker that had the job, also what a killed one could not note."""
        for token in list(self.objects.folders(f"jobs/{job_id}")):
            self.objects.delete(f"jobs/{job_id}/{token}/checkpoints")
        self.jobs.run(retention.forget_checkpoints(job_id))

    def _erase_upload(self, upload_id: str) -> None:
        self.objects.delete(f"uploads/{upload_id}")
        self.jobs.run(uploads.forget_upload(upload_id))

    def _each(self, ends: str, names: list[str], erase: Callable[[str], None]) -> None:
        """Erase them all; what cannot be is put off, so that the next batch holds others.

        Args:
            ends: the set in which they stand by the end of their time.
        """
        for name in each(names, erase):
            self.jobs.run(retention.postpone(ends, name, PUT_OFF_MS))
