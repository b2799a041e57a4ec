"""Check of clocks: a wrong one makes others reject signed links and webhooks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx
from redis import Redis
from redis.exceptions import RedisError

from cli.checkup.finding import Finding, error, ok, skipped, warning
from service.settings import Settings
from service.stores.object_store.s3 import make_client, tls_context

TIMEOUT_S = 5.0
# S3 rejects a signature that is 15 minutes off, receivers of webhooks one that is 5 minutes off.
ERROR_S, WARNING_S = 300.0, 2.0
FIX = "set both machines' clocks by an NTP service such as chrony"


def check(settings: Settings) -> Iterator[Finding]:
    """Compare this machine's clock with those of Redis and of the object store."""
    yield _finding("redis", _redis_ahead_s(settings))
    if settings.s3_bucket is not None:
        yield _finding("objects", _s3_ahead_s(settings))


def s3_url(settings: Settings) -> str:
    """Return the object store's address; Amazon's for the region if the settings name none."""
    return make_client(settings, settings.s3_endpoint_url).meta.endpoint_url


def _finding(name: str, ahead_s: float | None) -> Finding:
    if ahead_s is None:
        return skipped(name, "its clock could not be read")
    return clock_finding(name, ahead_s)


def clock_finding(name: str, ahead_s: float) -> Finding:
    """Rate a clock that is this many seconds ahead of ours."""
    offset = f"its clock is {abs(ahead_s):.1f} s {'ahead' if ahead_s > 0 else 'behind'}"
    if abs(ahead_s) >= ERROR_S:
        return error(name, f"{offset}: signatures are rejected", FIX)
    if abs(ahead_s) >= WARNING_S:
        return warning(name, f"{offset}: times in records and logs do not match", FIX)
    return ok(name, offset)


def _redis_ahead_s(settings: Settings) -> float | None:
    try:
        with Redis.from_url(settings.broker_url(), socket_timeout=TIMEOUT_S) as redis:
            before_s = time.time()
            seconds, micros = redis.time()
            ours_s = (before_s + time.time()) / 2
    except RedisError:
        return None
    return int(seconds) + int(micros) / 1e6 - ours_s


def _s3_ahead_s(settings: Settings) -> float | None:
    """Read the Date header of a response, which has whole seconds."""
    try:
        response = httpx.get(s3_url(settings), timeout=TIMEOUT_S, verify=tls_context(settings))
        date = parsedate_to_datetime(response.headers["date"])
    except (httpx.HTTPError, KeyError, ValueError):
        return None
    return date.replace(tzinfo=date.tzinfo or UTC).timestamp() + 0.5 - time.time()
