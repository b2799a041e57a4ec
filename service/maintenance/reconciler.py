"""Reconcile queues with records: expired leases, deadlines, refunds, missing wake-up messages."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from service.contract.queues import Queue
from service.stores.job_store import commands, order, presence
from service.stores.job_store.hints import HintSender
from service.stores.job_store.store import JobStore
from service.telemetry.context import about_job

logger = logging.getLogger(__name__)

INTERVAL_S = 1.0
ROLE = "reconciler"
# After this time without a step another process takes over.
ROLE_MS = 2000


@dataclass(frozen=True)
class Reconciler:
    """The reconciler. Each gateway and worker has one; only the holder of the role acts.

    Attributes:
        holder: name of this process.
        max_attempts: lost workers in one queue after which a job fails.
        hint_age_ms: age of a job's last hint after which another one is sent.
        lease_ms: extension of leases after the store was unavailable.
    """

    jobs: JobStore
    hints: HintSender
    holder: str
    max_attempts: int
    hint_age_ms: int
    lease_ms: int = commands.GRACE_MS

    def act(self) -> bool:
        """Do one step, a limited part of the work, so that no script holds up Redis for long.

        Returns:
            Whether more is left, so that the next step should follow without a pause.

        Raises:
            UnavailableError: a store does not answer; the next step does the rest.
        """
        if not self.jobs.run(presence.hold_role(ROLE, self.holder, ROLE_MS)):
            return False
        has_more = (self._expire(), self._reclaim(), self._refund())
        for queue in Queue:
            for job_id in self.jobs.run(presence.jobs_missing_hints(queue, self.hint_age_ms)):
                with about_job(job_id):
                    logger.info("missing wake-up message sent: job=%s queue=%s", job_id, queue)
                    self.hints.send(job_id, queue)
        return any(has_more)

    def _expire(self) -> bool:
        expired = self.jobs.run(commands.expire_deadlines())
        for job_id in expired:
            with about_job(job_id):
                logger.warning("deadline passed: job=%s", job_id)
        return bool(expired)

    def _reclaim(self) -> bool:
        reclaim = commands.reclaim_expired(self.max_attempts, grace_ms=self.lease_ms)
        reclaimed = self.jobs.run(reclaim)
        for job_id, queue in reclaimed:
            with about_job(job_id):
                logger.warning("worker lost, job queued again: job=%s queue=%s", job_id, queue)
                self.hints.send(job_id, queue)
        return bool(reclaimed)

    def _refund(self) -> bool:
        """Close gaps in callers' virtual time, once all of their jobs are known."""
        if not all([self.jobs.run(order.check_lanes(queue)) for queue in Queue]):
            return True
        return self.jobs.run(order.close_gaps()) > 0
