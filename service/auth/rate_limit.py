"""What callers are told of their rate: draft-ietf-httpapi-ratelimit-headers-10."""

from __future__ import annotations

import math

from service.contract.callers import WINDOW_S
from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.stores.job_store.keys import Turnstile

POLICY = "requests"


def rate_headers(most: int, count: Turnstile) -> dict[str, str]:
    """The policy, what is left of it (`r`), and in how many seconds there is more (`t`)."""
    return {
        "RateLimit-Policy": f'"{POLICY}";q={most};w={WINDOW_S}',
        "RateLimit": f'"{POLICY}";r={count.remaining};t={_seconds(count.more_in_ms)}',
    }


def too_many(most: int, count: Turnstile) -> RejectedError:
    """The refusal of one request too many."""
    return RejectedError(
        ErrorCode.RATE_LIMITED,
        f"{most} requests within {WINDOW_S} s are allowed, and were made",
        headers={"Retry-After": str(_seconds(count.more_in_ms))},
    )


def _seconds(ms: int) -> int:
    """Rounded up, so that who waits for so long has waited long enough."""
    return max(1, math.ceil(ms / 1000))
