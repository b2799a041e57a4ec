"""Errors of the client.

ClientError
├── ProblemError        the service refused a request
├── UnreachableError    the service does not answer, or something else answers
├── JobEndedError       the job failed or was canceled
└── WaitTimeoutError    the job has not ended within the timeout; it continues
"""

from __future__ import annotations

from typing import Any, NamedTuple

from tcan_client.enums import JobState
from tcan_client.models import Job


class ClientError(Exception):
    """The root of the client's errors."""


class FieldError(NamedTuple):
    """An invalid field of a request."""

    field: str
    detail: str


class ProblemError(ClientError):
    """The service refused a request.

    Example:
        try:
            client.submit("me.png", "walk.mp4", {"seed": -1})
        except ProblemError as error:
            print(error.code, error.errors, error.request_id)

    Args:
        status: the HTTP status.
        problem: the body, a problem of RFC 9457 with `code` and `detail`.
        request_id: id of the request in the service's logs.
        retry_after_s: seconds after which a retry may succeed.

    Attributes:
        code: stable code for programs, such as `invalid_params`.
        detail: one sentence for people.
        errors: the invalid fields, if the request has some.
    """

    def __init__(
        self,
        status: int,
        problem: dict[str, Any],
        *,
        request_id: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.code, self.detail = str(problem["code"]), str(problem["detail"])
        super().__init__(f"{self.detail} ({self.code})")
        self.status = status
        self.problem = problem
        self.errors = [
            FieldError(str(error.get("field", "")), str(error.get("detail", "")))
            for error in problem.get("errors") or []
        ]
        self.request_id = request_id
        self.retry_after_s = retry_after_s


class UnreachableError(ClientError):
    """The service does not answer, or something else answers at its URL."""


class JobEndedError(ClientError):
    """The job failed or was canceled; `job` says why."""

    def __init__(self, job: Job) -> None:
        reason = "" if job.error is None else f": {job.error.detail} ({job.error.code})"
        end = "was canceled" if job.status is JobState.CANCELED else "failed"
        super().__init__(f"the job {job.id} {end}{reason}")
        self.job = job


class WaitTimeoutError(ClientError, TimeoutError):
    """The job has not ended within the timeout; it continues. `job_id` names it."""

    def __init__(self, job_id: str, timeout_s: float) -> None:
        super().__init__(f"the job {job_id} has not ended within {timeout_s:g} s; it continues")
        self.job_id = job_id
