"""Delete what has expired: ended jobs with their objects, checkpoints, uploads, orphans.

Only ended jobs are listed for deletion, and `erase` checks again, so a live job is never touched.
Objects are deleted before the record, so an interrupted sweep is repeated.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from service.maintenance.each import each
from service.maintenance.job_indexer import JobIndexer
from service.maintenance.orphans import OrphanSweeper
from service.stores.job_store import commands, presence, retention, uploads
from service.stores.job_store.commands import Command
from service.stores.job_store.store import JobStore
from service.stores.object_store.base import ObjectStore
from service.stores.scratch import sweep_scratch

logger = logging.getLogger(__name__)

INTERVAL_S = 10.0
ROLE = "sweeper"
ROLE_MS = 30_000
POSTPONE_MS = 10 * 60 * 1000
UPLOADS, SPENT = "uploads:ends", "checkpoints:spent"
# Erased of each kind before the others have their turn.
BATCH = 100


@dataclass(frozen=True)
class Sweeper:
    """The sweeper. Each gateway and worker has one; only the holder of the role acts.

    Attributes:
        holder: name of this process.
        scratch: folder for temporary files on this machine; swept by each process.
    """

    jobs: JobStore
    objects: ObjectStore
    holder: str
    scratch: Path
    orphans: OrphanSweeper
    indexer: JobIndexer = field(default_factory=JobIndexer)

    def act(self) -> bool:
        """Delete a batch of each kind, and index a batch of jobs.

        Returns:
            Whether a batch was full, so that the next one should follow without a pause.

        Raises:
            UnavailableError: the job store does not answer.
        """
        sweep_scratch(self.scratch)
        if not self.jobs.run(presence.hold_role(ROLE, self.holder, ROLE_MS)):
            return False
        has_more = (
            self._each("expiries", retention.expired_jobs(BATCH), self._erase_job),
            self._each(SPENT, retention.obsolete_checkpoints(BATCH), self._erase_checkpoints),
            self._each(UPLOADS, uploads.expired_uploads(BATCH), self._erase_upload),
            self.jobs.run(retention.trim_events()),
            self.indexer.index(self.jobs),
        )
        self.orphans.sweep()
        return any(has_more)

    def _erase_job(self, job_id: str) -> None:
        self.objects.delete(f"jobs/{job_id}")
        self.jobs.run(commands.erase(job_id, keep_pending_deliveries=True))
        logger.info("expired job deleted: job=%s", job_id)

    def _erase_checkpoints(self, job_id: str) -> None:
        """Delete the checkpoints of all workers that had the job, including killed ones."""
        for token in list(self.objects.folders(f"jobs/{job_id}")):
            self.objects.delete(f"jobs/{job_id}/{token}/checkpoints")
        self.jobs.run(retention.forget_checkpoints(job_id))

    def _erase_upload(self, upload_id: str) -> None:
        self.objects.delete(f"uploads/{upload_id}")
        self.jobs.run(uploads.forget_upload(upload_id))

    def _each(
        self, set_name: str, expired: Command[list[str]], erase: Callable[[str], None]
    ) -> bool:
        """Delete what has expired; postpone failures, so that they do not block the next batch.

        Args:
            set_name: the set that lists the names by the time at which they expire.
            expired: lists up to BATCH of them.

        Returns:
            Whether the batch was full and nothing failed.
        """
        names = self.jobs.run(expired)
        failed = each(names, erase, are_jobs=set_name != UPLOADS)
        for name in failed:
            self.jobs.run(retention.postpone(set_name, name, POSTPONE_MS))
        return len(names) == BATCH and not failed
