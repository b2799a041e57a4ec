"""Errors of the client.

ClientError
├── ProblemError        the service refused a request
├── UnreachableError    the service does not answer, or something else answers
└── JobEndedError       the job failed or was canceled
"""

from __future__ import annotations

from service.contract.errors import JobError
from service.contract.states import JobState


class ClientError(Exception):
    """The root of the client's errors."""


class ProblemError(ClientError):
    """The service refused a request.

    Args:
        status: the HTTP status.
        code: the problem's `code`, one of `service.contract.errors.ErrorCode`.
        detail: the problem's `detail`.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{detail} ({code})")
        self.status = status
        self.problem_code = code


class UnreachableError(ClientError):
    """The service does not answer, or something else answers at its URL."""


class JobEndedError(ClientError):
    """The job failed or was canceled.

    Args:
        state: failed or canceled.
        error: why it failed.
    """

    def __init__(self, job_id: str, state: JobState, error: JobError | None) -> None:
        reason = "" if error is None else f": {error.detail} ({error.code})"
        end = "was canceled" if state is JobState.CANCELED else "failed"
        super().__init__(f"the job {job_id} {end}{reason}")
        self.job_id = job_id
        self.state = state
        self.error = error
