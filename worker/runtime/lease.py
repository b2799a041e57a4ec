"""A worker's hold on one job: renewed from a thread of its own while the job is at work."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import Self

from service.contract.job import JobRecord, Progress
from service.errors import UnavailableError
from service.stores.job_store import commands
from service.stores.job_store.commands import Command, LeaseStatus
from service.stores.job_store.store import Jobs
from worker.runtime.periodic import Periodic
from worker.runtime.shutdown import Shutdown

logger = logging.getLogger(__name__)

# So many renewals may fail in a row before the lease is over.
RENEWALS_PER_LEASE = 5


class Stop(StrEnum):
    """Why the work on a job must stop before its end."""

    CANCELED = "canceled"
    LOST = "lost"
    SHUTDOWN = "shutdown"


class Lease:
    """Renews the lease for the length of a `with` block, and learns when to stop.

    Args:
        jobs: the job store; used from several threads.
        record: the job as it was taken; its token marks every write.
        lease_ms: how long the lease holds without renewal.
        shutdown: begun when this worker must leave.

    Attributes:
        job_id: of the job.
        in_step: set while a step is at work that can be kept when it ends; a worker that must
            leave then waits for it, if that does not take too long.
    """

    def __init__(
        self,
        jobs: Jobs,
        record: JobRecord,
        lease_ms: int,
        shutdown: Shutdown,
    ) -> None:
        self._jobs = jobs
        self.job_id = record.id
        self._token = record.token
        self._lease_ms = lease_ms
        self._shutdown = shutdown
        self._hold = LeaseStatus.HELD
        self.in_step = False
        interval_s = lease_ms / 1000 / RENEWALS_PER_LEASE
        self._renewals = Periodic(f"lease of job {record.id}", interval_s, self.renew)

    def __enter__(self) -> Self:
        self._renewals.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self._renewals.__exit__(*raised)

    def renew(self, progress: Progress | None = None) -> None:
        """Prolong the lease and write progress; what the store says of it shows in `stop`."""
        self._learn(commands.renew(self.job_id, self._token, self._lease_ms, progress))

    def ask(self) -> None:
        """Learn at once what the store says, without a write, which would wait for its disk."""
        self._learn(commands.check_lease(self.job_id, self._token))

    def _learn(self, call: Command[LeaseStatus]) -> None:
        if self._hold is LeaseStatus.LOST:
            return
        try:
            hold = self._jobs.run(call)
        except UnavailableError as error:
            # Go on: if another worker takes the job meanwhile, our old token cannot do harm.
            logger.warning("job %s: %s", self.job_id, error)
            return
        self._heed(hold)

    def _heed(self, hold: LeaseStatus) -> None:
        # An answer from before a cancel may be the last to come; a cancel is never taken back.
        if hold is not LeaseStatus.HELD and self._hold is not LeaseStatus.LOST:
            self._hold = hold

    @property
    def stop(self) -> Stop | None:
        """Why to stop, or None to go on."""
        if self._hold is LeaseStatus.LOST:
            return Stop.LOST
        if self._hold is LeaseStatus.CANCEL:
            return Stop.CANCELED
        if not self._shutdown.begun or (self.in_step and self._shutdown.step_may_end):
            return None
        return Stop.SHUTDOWN

    @property
    def is_leaving(self) -> bool:
        """Whether the job goes to another worker, who may go on from here."""
        return self._shutdown.begun and self._hold is LeaseStatus.HELD

    def let_go(self) -> None:
        """Give the job back at once, whatever is at work on it. Raises UnavailableError."""
        self._jobs.run(commands.release(self.job_id, self._token))
