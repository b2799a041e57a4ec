"""Rate limit headers (draft-ietf-httpapi-ratelimit-headers-10) and the error for HTTP 429."""

from __future__ import annotations

import math

from service.contract.callers import WINDOW_S
from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.stores.job_store.keys import RateLimitResult

POLICY = "requests"


def rate_headers(limit: int, result: RateLimitResult) -> dict[str, str]:
    """Return the policy, the remaining requests (`r`), and the seconds until more (`t`)."""
    return {
        "RateLimit-Policy": f'"{POLICY}";q={limit};w={WINDOW_S}',
        "RateLimit": f'"{POLICY}";r={result.remaining};t={_seconds(result.retry_after_ms)}',
    }


def too_many(limit: int, result: RateLimitResult, counted: str = "requests") -> RejectedError:
    """Return the error for a request over the limit.

    Args:
        counted: what is limited, in the plural.
    """
    wait_s = _seconds(result.retry_after_ms)
    return RejectedError(
        ErrorCode.RATE_LIMITED,
        f"more than {limit} {counted} within {WINDOW_S} s; retry in {wait_s} s",
        headers={"Retry-After": str(wait_s)},
    )


def _seconds(ms: int) -> int:
    """Round up, so that a request after this wait is allowed."""
    return max(1, math.ceil(ms / 1000))
