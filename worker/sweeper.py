"""Erases what has had its time: ended jobs with their objects, uploads, and what others left.

A job stands in the sets that are swept only once it has ended, and `erase` looks again; so a live
job is never touched. The last checkpoint of a job goes here as well: only the write that ends the
job makes it useless. Objects go before the record: a sweep that is cut off is done again.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from service.stores import calls, requests
from service.stores.jobs import Jobs
from service.stores.objects import ObjectStore
from service.stores.scratch import sweep_scratch
from worker.orphans import Orphans

logger = logging.getLogger(__name__)

INTERVAL_S = 10.0
ROLE = "sweeper"
ROLE_MS = 30_000


@dataclass(frozen=True)
class Sweeper:
    """One step of it is `act`. Each worker has one; of all of them one is at work at a time.

    Attributes:
        scratch: where this worker, and others on this machine, keep their files on the way; each
            worker looks after that by itself.
    """

    jobs: Jobs
    objects: ObjectStore
    worker: str
    scratch: Path
    orphans: Orphans

    def act(self) -> None:
        """Erase a batch of each. Raises Unavailable."""
        sweep_scratch(self.scratch)
        if not self.jobs.run(calls.preside(ROLE, self.worker, ROLE_MS)):
            return
        for job_id in self.jobs.run(calls.expired()):
            self.objects.delete(f"jobs/{job_id}")
            self.jobs.run(calls.erase(job_id))
            logger.info("job %s: its time is over; it is erased", job_id)
        for job_id in self.jobs.run(requests.spent_checkpoints()):
            self._erase_checkpoints(job_id)
            self.jobs.run(requests.forget_checkpoints(job_id))
        for upload_id in self.jobs.run(requests.ended_uploads()):
            self.objects.delete(f"uploads/{upload_id}")
            self.jobs.run(requests.forget_upload(upload_id))
        self.orphans.sweep()

    def _erase_checkpoints(self, job_id: str) -> None:
        """Those of every worker that had the job, also what a killed one could not note."""
        for token in list(self.objects.folders(f"jobs/{job_id}")):
            self.objects.delete(f"jobs/{job_id}/{token}/checkpoints")
