"""Why a job may fail, and what the record then says.

    WorkerError
    ├── AnimationError             the job cannot succeed: its inputs, its parameters, its size
    ├── AnimationCanceledError     the animator stopped because it was asked to
    ├── AnimationOutOfMemoryError  the device's memory ran out; it is tried once more, frugally
    └── CheckpointUnusableError    a checkpoint is damaged or of another run; the job begins anew

Stores that do not answer (`service.errors.UnavailableError`) are not the job's fault, nor is a full
disk (`worker.disk`): the worker gives the job back and the attempt does not count. All
else is a bug: the job fails with `internal` and the log has the traceback.
"""

from __future__ import annotations

from service.contract.errors import ErrorCode, JobError
from service.contract.queues import Queue


class WorkerError(Exception):
    """The root."""


class AnimationError(WorkerError):
    """The job cannot succeed.

    Args:
        code: what is wrong, as callers see it.
        detail: one sentence for the caller.
    """

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class AnimationCanceledError(WorkerError):
    """The animator stopped because it was asked to."""


class AnimationOutOfMemoryError(WorkerError):
    """The device's memory ran out."""


class CheckpointUnusableError(WorkerError):
    """A checkpoint is damaged, or belongs to another run."""


def job_error(error: Exception, queue: Queue) -> JobError:
    """What the record of a failed job says.

    Of an error that nobody foresaw it tells the kind alone: its text may not be for callers.
    """
    if isinstance(error, AnimationError):
        return JobError.of(error.code, error.detail, stage=queue.value)
    if isinstance(error, MemoryError | AnimationOutOfMemoryError):
        return JobError.of(ErrorCode.OUT_OF_MEMORY, "memory ran out", stage=queue.value)
    detail = f"an unexpected {type(error).__name__}; the worker's log has more"
    return JobError.of(ErrorCode.INTERNAL, detail, stage=queue.value)
