"""One job's stage, from taking its lease to letting go of it.

A worker may start only by taking the lease; a hint that comes twice or late finds nothing to take.
Every write carries the lease's token, and outputs go to keys that hold the token, so that a worker
which lost its job cannot touch the result of the one that has it now.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path

from service.contract.job import JobRecord
from service.contract.queues import Queue
from service.errors import UnavailableError
from service.stores.job_store import commands
from service.stores.job_store.commands import Command, LeaseStatus
from service.stores.job_store.hints import HintSender
from service.stores.job_store.store import Jobs
from service.stores.object_store.base import ObjectStore
from service.stores.scratch import scratch_folder
from service.telemetry.context import job_context
from worker.animation import Animator
from worker.disk import is_of_the_disk, takes_files
from worker.failures import AnimationCanceledError, job_error
from worker.outputs.provenance.finish import Provenance
from worker.runtime.lease import Lease, Stop
from worker.runtime.shutdown import Shutdown
from worker.stages import Stages

logger = logging.getLogger(__name__)

END_TRIES = 10
END_PAUSE_S = 1.0
TAKE_PAUSE_S = 1.0
# A store that does not answer gets so much time before a job that needs it is taken again; twice as
# much each time in a row, since every try is two events that the job keeps.
OUTAGE_PAUSE_S, LONGEST_PAUSE_S = 3.0, 60.0
# A job that fills the disk by itself is tried so often.
DISK_ATTEMPTS = 2


@dataclass
class JobRunner:
    """Does stages of jobs, one at a time.

    Attributes:
        scratch: a folder for the files of the job at work; on one file system with the objects.
        checkpoint_s: the least time between two checkpoints; infinity keeps only those of a
            worker that leaves.
        shutdown: begun when this worker must leave; the job at work is then given back.
        provenance: what is done to results so that they say what they are.
        at_work: the lease of that job.
        is_pausing: whether this worker leaves hints alone until a store may be back.
        heard: hints that have come so far.
    """

    jobs: Jobs
    objects: ObjectStore
    hints: HintSender
    animator: Animator
    worker: str
    preset: str
    scratch: Path
    lease_ms: int
    shutdown: Shutdown
    checkpoint_s: float = 0.0
    provenance: Provenance = Provenance()
    at_work: Lease | None = None
    is_pausing: bool = False
    heard: int = 0
    _given_back: int = field(default=0, init=False)

    def run(self, queue: Queue, job_id: str) -> None:
        """Do a stage of the job whose turn it is in this queue; never raises for a job's sake.

        Args:
            job_id: of the hint. Another job may have come first meanwhile, or none may wait.
        """
        self.heard += 1
        if self.shutdown.begun:
            return
        try:
            record = self._take(queue)
            if record is None:
                logger.info("job %s: hinted at, but none waits in %s", job_id, queue)
                return
            job_id = record.id
            logger.info("job %s: %s, attempt %d", job_id, queue, record.attempts)
            with job_context(job_id, queue, record.request_id, record.traceparent):
                self._work(queue, record)
        except UnavailableError as error:
            logger.warning("job %s: left to its lease: %s", job_id, error)

    def hear_of_cancel(self, job_id: str) -> None:
        """Ask the store at once what it says of this job, if it is the one at work."""
        lease = self.at_work
        if lease is not None and lease.job_id == job_id:
            lease.ask()

    def _take(self, queue: Queue) -> JobRecord | None:
        """Take the next job; asks until it is known whether this worker has one.

        A take whose reply was lost may have been done, or may yet be. Left alone, its lease would
        run out and count as a lost worker; asked again, it is the same take.
        """
        take = commands.claim_next(queue, self.worker, self.lease_ms)
        while True:
            try:
                return self.jobs.run(take)
            except UnavailableError as error:
                logger.warning("whether a job was taken in %s is not known yet: %s", queue, error)
                if self.shutdown.wait(TAKE_PAUSE_S):
                    return None

    def _work(self, queue: Queue, record: JobRecord) -> None:
        # Known before its first renewal, which tells of a cancel that came just before.
        self.at_work = lease = Lease(self.jobs, record, self.lease_ms, self.shutdown)
        with lease:
            try:
                end = self._attempt(queue, record, lease)
                if end is None:
                    logger.warning("job %s: no longer this worker's", record.id)
                    return
                hold = self._write(end)
            finally:
                self.at_work = None
        logger.info("job %s: %s of %s ends (%s)", record.id, end.script, queue, hold)
        self._given_back = self._given_back + 1 if end.script == "release" else 0
        if self._given_back:
            # The job is out of these hands first: who dies in this pause costs it no attempt.
            self._pause(outage_pause_s(self._given_back))
        if hold is not LeaseStatus.LOST:
            self._hint_if_it_waits(record.id)

    def _pause(self, seconds: float) -> None:
        self.is_pausing = True
        try:
            self.shutdown.wait(seconds)
        finally:
            self.is_pausing = False

    def _attempt(
        self, queue: Queue, record: JobRecord, lease: Lease
    ) -> Command[LeaseStatus] | None:
        """Do the stage in a folder of its own; as `_outcome`, also when the disk takes nothing."""
        try:
            with scratch_folder(self.scratch) as folder:
                return self._outcome(queue, record, lease, folder)
        except Exception as error:
            if not is_of_the_disk(error):
                raise
            # The folder is gone: who still finds no room is not kept from it by this job.
            if takes_files(self.scratch):
                return self._too_big_for_the_disk(queue, record, error)
            logger.warning("job %s: given back: %s", record.id, error)
            return commands.release(record.id, record.token)

    def _too_big_for_the_disk(
        self, queue: Queue, record: JobRecord, error: Exception
    ) -> Command[LeaseStatus] | None:
        """Leave it to its lease, so that the attempt counts; the last one fails the job."""
        logger.warning("job %s: its attempt %d: %s", record.id, record.attempts, error)
        if record.attempts < DISK_ATTEMPTS:
            return None
        return commands.fail(record.id, record.token, job_error(error, queue))

    def _outcome(
        self, queue: Queue, record: JobRecord, lease: Lease, folder: Path
    ) -> Command[LeaseStatus] | None:
        """Do the stage; the write that ends it, or None when the lease is gone.

        Raises what a disk is behind that takes nothing.
        """
        stages = Stages(
            self.jobs,
            self.objects,
            self.animator,
            record,
            lease,
            folder,
            self.checkpoint_s,
            self.provenance,
        )
        try:
            end = stages.prepare() if queue is Queue.PREPARE else stages.render()
        except AnimationCanceledError:
            end = commands.release(record.id, record.token)
        except UnavailableError as error:
            logger.warning("job %s: given back: %s", record.id, error)
            end = commands.release(record.id, record.token)
        except Exception as error:
            if is_of_the_disk(error):
                raise
            logger.exception("job %s: %s failed", record.id, queue)
            end = commands.fail(record.id, record.token, job_error(error, queue))
        if lease.stop is Stop.LOST:
            return None
        if lease.stop is Stop.CANCELED:
            return commands.end_canceled(record.id, record.token)
        return end

    def _write(self, end: Command[LeaseStatus]) -> LeaseStatus:
        """End the stage, with retries, or its work would be lost. Raises UnavailableError."""
        for _ in range(END_TRIES - 1):
            try:
                return self.jobs.run(end)
            except UnavailableError as error:
                logger.warning("the end of a stage is not written yet: %s", error)
                time.sleep(END_PAUSE_S)
        return self.jobs.run(end)

    def _hint_if_it_waits(self, job_id: str) -> None:
        """Tell the workers of the next queue; without a hint the reconciler would, later."""
        snapshot = self.jobs.run(commands.read(job_id))
        if snapshot is not None and snapshot.position is not None:
            self.hints.send(job_id, snapshot.record.queue)


def outage_pause_s(tries: int) -> float:
    """How long a worker waits after so many tries in a row that gave their job back; 1 or more."""
    return float(min(OUTAGE_PAUSE_S * 2 ** min(tries - 1, 10), LONGEST_PAUSE_S))
