"""Errors of jobs, and the error that a failed job's record gets.

    WorkerError
    ├── AnimationError             the job cannot succeed: its inputs, its parameters, its size
    ├── AnimationCanceledError     the animator stopped because of a cancel
    ├── AnimationOutOfMemoryError  the device's memory ran out; retried once in low-memory mode
    └── CheckpointUnusableError    a checkpoint is damaged or of another run; the job restarts

Unavailable stores (`service.errors.UnavailableError`) and a full disk (`worker.disk`) are not the
job's fault: the worker releases the job and the attempt does not count. Any other error is a bug:
the job fails with `internal` and the log has the traceback.
"""

from __future__ import annotations

from service.contract.errors import ErrorCode, JobError
from service.contract.queues import Queue


class WorkerError(Exception):
    """The root."""


class AnimationError(WorkerError):
    """The job cannot succeed.

    Args:
        code: error code for the caller.
        detail: one sentence for the caller.
    """

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class AnimationCanceledError(WorkerError):
    """The animator stopped because of a cancel."""


class AnimationOutOfMemoryError(WorkerError):
    """The device's memory ran out."""


class CheckpointUnusableError(WorkerError):
    """A checkpoint is damaged, or belongs to another run."""


def job_error(error: Exception, queue: Queue) -> JobError:
    """Return the error for a failed job's record.

    An unexpected error shows only its class, because its text may not be meant for callers.
    """
    if isinstance(error, AnimationError):
        return JobError.of(error.code, error.detail, stage=queue.value)
    if isinstance(error, MemoryError | AnimationOutOfMemoryError):
        return JobError.of(ErrorCode.OUT_OF_MEMORY, "memory ran out", stage=queue.value)
    detail = f"unexpected {type(error).__name__}; see the worker's log"
    return JobError.of(ErrorCode.INTERNAL, detail, stage=queue.value)
