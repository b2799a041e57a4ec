"""When a client asks again, and what it says when that did not help."""

from __future__ import annotations

import re
from dataclasses import dataclass

import httpx

from service.contract.errors import ErrorCode
from service.errors import ProblemError, ServiceError, UnreachableError

RETRIED_STATUSES = (429, 503)
FIRST_PAUSE_S, MAX_PAUSE_S = 0.5, 30.0
# A body goes with every try.
MAX_CLAIM_PAUSE_S = 5.0

Outcome = httpx.Response | httpx.HTTPError
"""What a try came to: an answer, or the reason why there was none."""


@dataclass(frozen=True)
class Retries:
    """When to ask again: the service is busy (429, 503), nothing answers, or the key is in use.

    Attributes:
        tries: requests in all, at least 1.
        reconnects: how often in a row a stream of events is opened again after it broke; a service
            that was there a moment ago is given about two minutes to come back.
        claimed_s: how long a request that holds the same idempotency key is waited for; that of a
            gateway that died holds it for `service.contract.limits.CLAIM_MS`.
    """

    tries: int = 4
    reconnects: int = 10
    claimed_s: float = 60.0


RETRIES = Retries()


class Patience:
    """How long one wish is followed: counts what failed in a row.

    Args:
        retries: how many may fail.
        base: where the service should be.
    """

    def __init__(self, retries: Retries, base: httpx.URL) -> None:
        self._tries = retries.tries
        self._claimed_s = retries.claimed_s
        self._base = base
        self._failed = 0
        self._claimed = 0

    def renew(self, tries: int) -> None:
        """Something came of it: begin to count again."""
        self._tries, self._failed = tries, 0

    def pause_s(self, outcome: Outcome) -> float:
        """Seconds to wait before the next try.

        Args:
            outcome: of the last try; an answer must have been read.

        Raises:
            ProblemError: the service refuses.
            UnreachableError: it does not answer, or breaks its answers off.
        """
        if _is_claimed(outcome):
            return self._claim_pause_s(outcome)
        self._failed += 1
        if self._failed >= self._tries or not _may_help(outcome):
            raise _last_word(self._base, outcome)
        told_s = _told_s(outcome)
        if told_s is not None:
            return min(told_s, MAX_PAUSE_S)
        return float(min(FIRST_PAUSE_S * 2 ** (self._failed - 1), MAX_PAUSE_S))

    def _claim_pause_s(self, outcome: Outcome) -> float:
        """The service is there, and the key gets free: that counts by time alone."""
        own_s = float(min(FIRST_PAUSE_S * 2**self._claimed, MAX_CLAIM_PAUSE_S))
        pause_s = max(own_s, min(_told_s(outcome) or 0.0, MAX_PAUSE_S))
        self._claimed += 1
        self._claimed_s -= pause_s
        if self._claimed_s < 0:
            raise _last_word(self._base, outcome)
        return pause_s


def problem(answer: httpx.Response) -> ProblemError:
    """The refusal in an answer that was read."""
    try:
        body = answer.json()
        return ProblemError(answer.status_code, str(body["code"]), str(body["detail"]))
    except (ValueError, KeyError, TypeError):
        return ProblemError(answer.status_code, "http", f"HTTP {answer.status_code}")


def _may_help(outcome: Outcome) -> bool:
    """Whether another try may end otherwise: 409 with a time is a result that is not there yet."""
    if not isinstance(outcome, httpx.Response) or not outcome.is_error:
        return True
    if outcome.status_code == 409:
        return "retry-after" in outcome.headers
    return outcome.status_code in RETRIED_STATUSES


def _is_claimed(outcome: Outcome) -> bool:
    """Whether another request holds the idempotency key."""
    if not isinstance(outcome, httpx.Response) or outcome.status_code != 409:
        return False
    return problem(outcome).problem_code == ErrorCode.IDEMPOTENCY_KEY_IN_USE


def _told_s(outcome: Outcome) -> float | None:
    """The seconds that an answer asks to wait for; None when it does not say."""
    told = outcome.headers.get("retry-after", "") if isinstance(outcome, httpx.Response) else ""
    return float(told) if re.fullmatch(r"[0-9]{1,6}", told) else None


def _last_word(base: httpx.URL, outcome: Outcome) -> ServiceError:
    if isinstance(outcome, httpx.HTTPError):
        return UnreachableError(f"no answer from {base}: {outcome or type(outcome).__name__}")
    if outcome.is_error:
        return problem(outcome)
    return UnreachableError(f"{outcome.url} breaks its answers off")
