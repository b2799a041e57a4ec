"""Errors of the service; `tcan_client.errors` has those of the client.

    ServiceError
    ├── RejectedError            the request or its inputs are invalid
    ├── UnavailableError         Redis or the object store does not answer; a retry may help
    ├── SettingsError            the service is misconfigured
    └── IllegalTransitionError   a job state change that is not allowed: a bug

Foreign errors are mapped once, where the foreign library is called. `str(error)` is one sentence
for the user.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from service.contract.errors import ErrorCode


class ServiceError(Exception):
    """The root; `code` is the error code for callers."""

    code: ErrorCode = ErrorCode.INTERNAL


class RejectedError(ServiceError):
    """The request or its inputs are invalid.

    Args:
        code: stable error code; it sets the HTTP status.
        detail: one sentence: what is wrong, which value, what is allowed.
        errors: one entry per invalid field, each with `field` and `detail`.
        headers: HTTP headers of the response.
        reason: the policy's own code, for `policy_refused`.
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

    def about(self, name: str) -> RejectedError:
        """Return the same error with the name of the input or field that it is about."""
        detail = f"{name}: {self.detail}"
        return RejectedError(self.code, detail, headers=self.headers, reason=self.reason)


class UnavailableError(ServiceError):
    """Redis or the object store does not answer; a retry may help."""

    code = ErrorCode.UNAVAILABLE


class SettingsError(ServiceError):
    """The service is misconfigured."""


class IllegalTransitionError(ServiceError):
    """A state change that `service.contract.states` forbids: a bug."""


# Characters of a name that are compared, since a caller may send very long ones.
MAX_COMPARED = 200


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean ...?` with the nearest known name, or an empty string."""
    close = get_close_matches(name[:MAX_COMPARED], list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""
