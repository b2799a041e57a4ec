"""When a client retries, and the error it raises when retries did not help."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass

import httpx

from tcan_client.errors import ClientError, ProblemError, UnreachableError

RETRIED_STATUSES = (429, 503)
KEY_IN_USE = "idempotency_key_in_use"
FIRST_PAUSE_S, MAX_PAUSE_S = 0.5, 30.0
# Low, because each retry sends the whole body.
MAX_IN_USE_PAUSE_S = 5.0
# Between two reads of a job that is not followed by its events.
POLL_S = 0.5

Outcome = httpx.Response | httpx.HTTPError
"""The result of an attempt: a response, or why there was none."""


@dataclass(frozen=True)
class Retries:
    """Limits on retries: when the service is busy (429, 503), silent, or the key is in use.

    Attributes:
        tries: maximum attempts of a request, at least 1.
        reconnects: maximum consecutive failures of an event stream; about two minutes.
        claimed_s: maximum wait while another request holds the same idempotency key, which it does
            for some time after its gateway crashed.
    """

    tries: int = 4
    reconnects: int = 10
    claimed_s: float = 60.0


RETRIES = Retries()


class RetryState:
    """Counts the consecutive failures of one call.

    Args:
        retries: the limits.
        base: the service's URL, for messages.
    """

    def __init__(self, retries: Retries, base: httpx.URL) -> None:
        self._tries = retries.tries
        self._claimed_s = retries.claimed_s
        self._base = base
        self._failed = 0
        self._claimed = 0

    def reset(self, tries: int) -> None:
        """Restart the count after a success."""
        self._tries, self._failed = tries, 0

    def pause_s(self, outcome: Outcome) -> float:
        """Return the seconds to wait before the next attempt.

        Args:
            outcome: the last attempt's; a response must have been read.

        Raises:
            ProblemError: the service refused the request.
            UnreachableError: the service does not answer, or its responses break off.
        """
        if _is_key_in_use(outcome):
            return self._in_use_pause_s(outcome)
        self._failed += 1
        if self._failed >= self._tries or not _is_retryable(outcome):
            raise _final_error(self._base, outcome)
        retry_after_s = _retry_after_s(outcome)
        if retry_after_s is not None:
            return min(retry_after_s, MAX_PAUSE_S)
        return float(min(FIRST_PAUSE_S * 2 ** (self._failed - 1), MAX_PAUSE_S))

    def _in_use_pause_s(self, outcome: Outcome) -> float:
        """Limit by time, not by attempts: the service answers and the key will be released."""
        own_s = float(min(FIRST_PAUSE_S * 2**self._claimed, MAX_IN_USE_PAUSE_S))
        pause_s = max(own_s, min(_retry_after_s(outcome) or 0.0, MAX_PAUSE_S))
        self._claimed += 1
        self._claimed_s -= pause_s
        if self._claimed_s < 0:
            raise _final_error(self._base, outcome)
        return pause_s


def problem(response: httpx.Response) -> ProblemError:
    """Return the error in a response that was read."""
    status = response.status_code
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or not body.keys() >= {"code", "detail"}:
        body = {"code": "http", "detail": f"HTTP {status} from {response.url.host}"}
    return ProblemError(
        status,
        body,
        request_id=response.headers.get("x-request-id"),
        retry_after_s=_retry_after_s(response),
    )


def _is_retryable(outcome: Outcome) -> bool:
    """Return whether a retry may succeed; 409 with Retry-After means the result is not ready."""
    if not isinstance(outcome, httpx.Response) or not outcome.is_error:
        return True
    if outcome.status_code == 409:
        return "retry-after" in outcome.headers
    return outcome.status_code in RETRIED_STATUSES


def _is_key_in_use(outcome: Outcome) -> bool:
    """Return whether another request holds the idempotency key."""
    if not isinstance(outcome, httpx.Response) or outcome.status_code != 409:
        return False
    return problem(outcome).code == KEY_IN_USE


def _is_lost_by_redirect(outcome: httpx.Response) -> bool:
    """Return whether a redirect, such as one to https, made a POST a GET or removed the key."""
    first = outcome.history[0].request if outcome.history else outcome.request
    has_changed = first.method != outcome.request.method
    has_changed |= "authorization" in first.headers.keys() - outcome.request.headers.keys()
    return outcome.status_code in (401, 404, 405) and has_changed


def _retry_after_s(outcome: Outcome) -> float | None:
    """Return the seconds in the header Retry-After, or None."""
    header = outcome.headers.get("retry-after", "") if isinstance(outcome, httpx.Response) else ""
    return float(header) if re.fullmatch(r"[0-9]{1,6}", header) else None


def _cause(failed: httpx.HTTPError) -> str:
    """Return why there was no response; errors of TLS in words instead of the library's codes."""
    error: BaseException | None = failed
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"its TLS certificate is not valid ({error.verify_message})"
        if isinstance(error, ssl.SSLError):
            return "the TLS connection failed; if it speaks no TLS there, use http:// in the URL"
        error = error.__cause__ or error.__context__
    return str(failed) or type(failed).__name__


def _final_error(base: httpx.URL, outcome: Outcome) -> ClientError:
    if isinstance(outcome, httpx.HTTPError):
        return UnreachableError(f"no answer from {base}: {_cause(outcome)}")
    if _is_lost_by_redirect(outcome):
        return UnreachableError(f"{base} redirects to {outcome.url}; use the URL of that server")
    if outcome.is_error:
        return problem(outcome)
    return UnreachableError(f"responses from {outcome.url} break off")
