"""A lease on one job, renewed by a thread of its own."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from service.contract.job import JobRecord, Progress
from service.errors import UnavailableError
from service.stores.job_store import commands
from service.stores.job_store.commands import Command
from service.stores.job_store.snapshots import LeaseStatus
from service.stores.job_store.store import JobStore
from worker.runtime.periodic import Periodic
from worker.runtime.shutdown import Shutdown

logger = logging.getLogger(__name__)

# This many renewals in a row may fail before the lease expires.
RENEWALS_PER_LEASE = 5


class StopReason(StrEnum):
    """Why the work on a job must stop early."""

    CANCELED = "canceled"
    LOST = "lost"
    SHUTDOWN = "shutdown"


@dataclass
class Lease:
    """Renews the lease during a `with` block, and notices when the work must stop.

    Args:
        jobs: the job store; used from several threads.
        record: the job as it was claimed; its token is part of every write.
        shutdown: begins when this worker must exit.

    Attributes:
        is_in_step: set during a step after which a checkpoint can be saved; a shutdown waits for
            its end, within `shutdown.STEP_S`.
    """

    jobs: JobStore
    record: JobRecord
    lease_ms: int
    shutdown: Shutdown
    is_in_step: bool = False

    def __post_init__(self) -> None:
        self.job_id = self.record.id
        self._status = LeaseStatus.HELD
        interval_s = self.lease_ms / 1000 / RENEWALS_PER_LEASE
        self._renewals = Periodic(f"lease of job {self.job_id}", interval_s, self.renew)

    def __enter__(self) -> Self:
        self._renewals.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._renewals.__exit__(*raised)

    def renew(self, progress: Progress | None = None) -> None:
        """Renew the lease and write progress; `stop_reason` shows the store's answer."""
        self._update(commands.renew(self.job_id, self.record.token, self.lease_ms, progress))

    def check(self) -> None:
        """Read the lease's status, without a write, which would wait for the store's disk."""
        self._update(commands.check_lease(self.job_id, self.record.token))

    def _update(self, command: Command[LeaseStatus]) -> None:
        if self._status is LeaseStatus.LOST:
            return
        try:
            status = self.jobs.run(command)
        except UnavailableError as error:
            # Continue: if another worker claims the job meanwhile, our old token can do no harm.
            logger.warning("job %s: lease not renewed: %s", self.job_id, error)
            return
        self._accept(status)

    def _accept(self, status: LeaseStatus) -> None:
        # Replies may arrive out of order: a cancel is never undone by an older "held".
        if status is not LeaseStatus.HELD and self._status is not LeaseStatus.LOST:
            self._status = status

    @property
    def stop_reason(self) -> StopReason | None:
        """Why the work must stop, or None."""
        if self._status is LeaseStatus.LOST:
            return StopReason.LOST
        if self._status is LeaseStatus.CANCEL:
            return StopReason.CANCELED
        if not self.shutdown.has_begun or (self.is_in_step and self.shutdown.has_step_time):
            return None
        return StopReason.SHUTDOWN

    @property
    def is_handing_over(self) -> bool:
        """True if a shutdown leaves the job to another worker, which may resume it."""
        return self.shutdown.has_begun and self._status is LeaseStatus.HELD

    def release(self) -> None:
        """Release the job at once, whatever its stage. Raises UnavailableError."""
        self.jobs.run(commands.release(self.job_id, self.record.token))
