"""Keeps the broker in step with the records: no job without a hint, no lease without a worker."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from service.contract.queues import Queue
from service.stores.job_store import commands, presence
from service.stores.job_store.hints import HintSender
from service.stores.job_store.store import Jobs

logger = logging.getLogger(__name__)

INTERVAL_S = 1.0
ROLE = "reconciler"
# A reconciler that is silent for this long is replaced by another one.
ROLE_MS = 2000


@dataclass(frozen=True)
class Reconciler:
    """One step of it is `act`. Each gateway and worker has one; one of all is at work at a time.

    Attributes:
        keeper: the name of its process.
        max_attempts: workers that a job may lose in one queue before it fails.
        hint_age_ms: how long a job waits without a hint in the broker before it gets another.
        lease_ms: time for workers to renew their leases when the store has been away.
    """

    jobs: Jobs
    hints: HintSender
    keeper: str
    max_attempts: int
    hint_age_ms: int
    lease_ms: int = commands.GRACE_MS

    def act(self) -> None:
        """Take back leases, end jobs that are late, send hints that are missing.

        Raises:
            UnavailableError: a store does not answer; the next step does what this one could not.
        """
        if not self.jobs.run(presence.hold_role(ROLE, self.keeper, ROLE_MS)):
            return
        for job_id in self.jobs.run(commands.expire_deadlines()):
            logger.warning("job %s: its deadline is over", job_id)
        taken_back = commands.reclaim_expired(self.max_attempts, grace_ms=self.lease_ms)
        for job_id, queue in self.jobs.run(taken_back):
            logger.warning("job %s: its worker is lost; it waits in %s again", job_id, queue)
            self.hints.send(job_id, queue)
        for queue in Queue:
            for job_id in self.jobs.run(commands.jobs_missing_hints(queue, self.hint_age_ms)):
                logger.info("job %s: waits in %s without a hint; another is sent", job_id, queue)
                self.hints.send(job_id, queue)
