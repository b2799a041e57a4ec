"""Everything that the service raises on purpose.

    ServiceError
    ├── RejectedError            the request or its inputs cannot be used
    ├── UnavailableError         Redis or the object store does not answer; trying later may help
    ├── SettingsError            the service is set up in a way that cannot work
    ├── ProblemError             a client's view: the service refused, with a problem
    ├── UnreachableError         a client's view: nothing answers there
    ├── JobEndedError            a client's view: the job ended without a result
    └── IllegalTransitionError   a change that `service.contract.states` forbids: a bug

Foreign errors are mapped once, where the foreign library is called. `str(error)` is one sentence
for the reader.
"""

from __future__ import annotations

from typing import Any

from service.contract.errors import ErrorCode, JobError
from service.contract.states import JobState


class ServiceError(Exception):
    """The root; `code` tells callers what went wrong."""

    code: ErrorCode = ErrorCode.INTERNAL


class RejectedError(ServiceError):
    """The request or its inputs cannot be used.

    Args:
        code: what is wrong, as a stable code; it sets the HTTP status.
        detail: one sentence with the values and what would be allowed.
        errors: one entry per wrong field, each with `field` and `detail`.
        headers: HTTP headers that belong to the answer.
        reason: the code of the operator's policy, where it refuses.
    """

    def __init__(
        self,
        code: ErrorCode,
        detail: str,
        *,
        errors: list[dict[str, Any]] | None = None,
        headers: dict[str, str] | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = headers
        self.reason = reason


class UnavailableError(ServiceError):
    """Redis or the object store does not answer; trying later may help."""

    code = ErrorCode.UNAVAILABLE


class SettingsError(ServiceError):
    """The service is set up in a way that cannot work."""


class IllegalTransitionError(ServiceError):
    """A change of state that `service.contract.states` forbids: a bug."""


class ProblemError(ServiceError):
    """The service refused a client's request.

    Args:
        status: of HTTP.
        code: a code of `service.contract.errors`, or what the server calls it.
        detail: one sentence.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{detail} ({code})")
        self.status = status
        self.problem_code = code


class UnreachableError(ServiceError):
    """Nothing that speaks the service's language answers at an address."""


class JobEndedError(ServiceError):
    """The job ended without a result.

    Args:
        state: failed or canceled.
        error: why it failed.
    """

    def __init__(self, job_id: str, state: JobState, error: JobError | None) -> None:
        why = "" if error is None else f": {error.detail} ({error.code})"
        super().__init__(f"the job {job_id} {state}{why}")
        self.job_id = job_id
        self.state = state
        self.error = error
