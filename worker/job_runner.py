"""One stage of one job, from claiming the job to releasing its lease.

Only the holder of the lease works on a job: a wake-up message that arrives twice or late finds no
job to claim. Every write carries the lease's fencing token and every output key contains it, so a
worker that lost its lease cannot change the result of the worker that holds it now.
"""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from service.contract.errors import JobError
from service.contract.job import JobRecord
from service.contract.queues import Queue
from service.errors import UnavailableError
from service.stores.job_store import commands
from service.stores.job_store.commands import Command
from service.stores.job_store.hints import HintSender, message
from service.stores.job_store.snapshots import LeaseStatus
from service.stores.job_store.store import JobStore
from service.stores.object_store.base import ObjectStore
from service.stores.scratch import scratch_folder
from service.telemetry.context import about_job, job_context
from worker.animation import Animator
from worker.disk import can_write, is_disk_error
from worker.failures import AnimationCanceledError, job_error
from worker.outputs.provenance.finish import Provenance
from worker.runtime.lease import Lease, StopReason
from worker.runtime.shutdown import Shutdown
from worker.stages import Stages

logger = logging.getLogger(__name__)

END_TRIES = 10
END_PAUSE_S = 1.0
CLAIM_PAUSE_S = 1.0
# The pause after a job was released because a store did not answer. It doubles with every release
# in a row, because each try adds two events to the job.
OUTAGE_PAUSE_S, MAX_PAUSE_S = 3.0, 60.0
# A job that fills the disk by itself is tried this often.
DISK_ATTEMPTS = 2


@dataclass
class JobRunner:
    """Runs stages of jobs, one at a time.

    Attributes:
        scratch: folder for the files of the current job, on the objects' file system.
        checkpoint_s: minimum time between two checkpoints; infinity saves one only when the worker
            shuts down.
        shutdown: begins when this worker must exit; the current job is then released.
        provenance: watermarks and signs results.
        lease: lease of the current job, if any.
        is_pausing: whether this worker ignores wake-up messages until a store may be back.
        hints_received: wake-up messages received so far.
    """

    jobs: JobStore
    objects: ObjectStore
    hints: HintSender
    animator: Animator
    worker: str
    scratch: Path
    lease_ms: int
    shutdown: Shutdown
    checkpoint_s: float = 0.0
    provenance: Provenance = Provenance()
    lease: Lease | None = None
    is_pausing: bool = False
    hints_received: int = 0
    _releases_in_a_row: int = field(default=0, init=False)

    def run(self, queue: Queue, job_id: str) -> None:
        """Run a stage of the next job in this queue. An error of the job is never raised.

        Args:
            job_id: id in the wake-up message; the claimed job may be another one.
        """
        self.hints_received += 1
        if self.shutdown.has_begun:
            return
        with about_job(job_id):
            record = self._claim(queue, job_id)
            if record is None:
                logger.info("job %s: notified, but queue %s is empty", job_id, queue)
                return
        with job_context(record.id, queue, record.request_id, record.traceparent):
            logger.info("job %s: started queue=%s attempt=%d", record.id, queue, record.attempts)
            try:
                self._work(queue, record)
            except UnavailableError as error:
                logger.warning("job %s: left until its lease expires: %s", record.id, error)

    @property
    def is_idle(self) -> bool:
        """True if this worker would claim a job at once."""
        return self.lease is None and not self.is_pausing and not self.shutdown.has_begun

    def on_cancel_request(self, job_id: str) -> None:
        """Check the lease at once, if this is the current job."""
        lease = self.lease
        if lease is not None and lease.job_id == job_id:
            lease.check()

    def _claim(self, queue: Queue, hinted: str) -> JobRecord | None:
        """Claim the next job; repeat until the store has answered.

        A claim whose reply was lost may have been executed. Repeating the same command returns the
        same claim; without that its lease would expire and count as a lost worker.
        """
        claim = commands.claim_next(
            queue,
            self.worker,
            self.lease_ms,
            preset=self.animator.describe().preset,
            hinted=hinted,
            hint=message(hinted, queue),
        )
        while True:
            try:
                return self.jobs.run(claim)
            except UnavailableError as error:
                logger.warning("claim not answered, trying again: queue=%s: %s", queue, error)
                if self.shutdown.wait(CLAIM_PAUSE_S):
                    return None

    def _work(self, queue: Queue, record: JobRecord) -> None:
        # Set before the first renewal, which may already report a cancel request.
        self.lease = lease = Lease(self.jobs, record, self.lease_ms, self.shutdown)
        with lease:
            try:
                end = self._attempt(queue, record, lease)
                if end is None:
                    logger.warning("job %s: lease lost or left to expire", record.id)
                    return
                status = self._write(end)
            finally:
                self.lease = None
        logger.info("job %s: ended queue=%s by=%s lease=%s", record.id, queue, end.script, status)
        is_released = end.script == "release"
        self._releases_in_a_row = self._releases_in_a_row + 1 if is_released else 0
        if is_released:
            # The job is released already: dying in this pause costs it no attempt.
            self._pause(outage_pause_s(self._releases_in_a_row))
        if status is not LeaseStatus.LOST:
            self._notify_if_queued(record.id)

    def _pause(self, seconds: float) -> None:
        self.is_pausing = True
        try:
            self.shutdown.wait(seconds)
        finally:
            self.is_pausing = False

    def _attempt(
        self, queue: Queue, record: JobRecord, lease: Lease
    ) -> Command[LeaseStatus] | None:
        """Run the stage in a scratch folder of its own.

        Returns:
            The command that ends the stage, or None when the lease is lost or must expire.
        """
        end: Command[LeaseStatus] | None
        try:
            with ExitStack() as stack:
                folder = self._scratch_folder(stack)
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
                end = stages.prepare() if queue is Queue.PREPARE else stages.render()
        except AnimationCanceledError:
            end = commands.release(record.id, record.token)
        except UnavailableError as error:
            logger.warning("job %s: released: %s", record.id, error)
            end = commands.release(record.id, record.token)
        except Exception as error:
            if is_disk_error(error):
                end = self._end_after_disk_error(queue, record, error)
            else:
                failure = job_error(error, queue)
                _log_failure(record.id, failure)
                end = commands.fail(record.id, record.token, failure)
        if lease.stop_reason is StopReason.LOST:
            return None
        if lease.stop_reason is StopReason.CANCELED:
            return commands.end_canceled(record.id, record.token)
        return end

    def _scratch_folder(self, stack: ExitStack) -> Path:
        """Create a folder that is deleted with the stack. Raises UnavailableError."""
        try:
            return stack.enter_context(scratch_folder(self.scratch))
        except OSError as error:
            raise UnavailableError(f"no scratch folder can be created: {error}") from error

    def _end_after_disk_error(
        self, queue: Queue, record: JobRecord, error: Exception
    ) -> Command[LeaseStatus] | None:
        """Release the job if the disk is full without it; otherwise the job itself filled it.

        Then its lease must expire, so that the attempt counts; the last attempt fails the job.
        """
        if not can_write(self.scratch):  # the job's own folder is removed by now
            logger.warning("job %s: released, the disk is not writable: %s", record.id, error)
            return commands.release(record.id, record.token)
        logger.warning("job %s: disk error attempt=%d: %s", record.id, record.attempts, error)
        if record.attempts < DISK_ATTEMPTS:
            return None
        return commands.fail(record.id, record.token, job_error(error, queue))

    def _write(self, end: Command[LeaseStatus]) -> LeaseStatus:
        """Write the end of the stage, with retries. Raises UnavailableError."""
        for _ in range(END_TRIES - 1):
            try:
                return self.jobs.run(end)
            except UnavailableError as error:
                logger.warning("end of the stage not written, trying again: %s", error)
                time.sleep(END_PAUSE_S)
        return self.jobs.run(end)

    def _notify_if_queued(self, job_id: str) -> None:
        """Notify the workers of the next queue at once; the reconciler would do it later."""
        snapshot = self.jobs.run(commands.read(job_id))
        if snapshot is not None and snapshot.position is not None:
            self.hints.send(job_id, snapshot.record.queue)


def _log_failure(job_id: str, failure: JobError) -> None:
    """Log the error being handled; with its traceback unless the job's inputs are the reason."""
    is_callers = failure.code.http_status < 500
    text = "job %s: failed queue=%s code=%s: %s"
    values = (job_id, failure.stage, failure.code, failure.detail)
    if is_callers:
        logger.warning(text, *values)
    else:
        logger.exception(text, *values)


def outage_pause_s(releases_in_a_row: int) -> float:
    """Return the pause after this many releases in a row, at least 1."""
    return float(min(OUTAGE_PAUSE_S * 2 ** min(releases_in_a_row - 1, 10), MAX_PAUSE_S))
