"""Clocks: signed links and webhooks are refused by who believes that it is another time."""

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
from service.stores.object_store.s3 import make_client

AREA = "clock"
TIMEOUT_S = 5.0
# S3 refuses a signature that is 15 minutes off; receivers of webhooks, one that is 5 minutes off.
REFUSED_S, NOTED_S = 300.0, 2.0
MEND = "let an NTP service such as chrony set both machines' clocks"


def look(settings: Settings) -> Iterator[Finding]:
    """This machine's clock against those of Redis and of the object store."""
    yield _compared("redis", _redis_ahead_s(settings))
    if settings.s3_bucket is not None:
        yield _compared("objects", _s3_ahead_s(s3_url(settings)))


def s3_url(settings: Settings) -> str:
    """The address of the object store; of the region's own S3 where the settings name none."""
    return make_client(settings, settings.s3_endpoint_url).meta.endpoint_url


def _compared(name: str, ahead_s: float | None) -> Finding:
    if ahead_s is None:
        return skipped(AREA, name, "it tells no time")
    return judged(name, ahead_s)


def judged(name: str, ahead_s: float) -> Finding:
    """What a clock that is so many seconds ahead of ours means."""
    told = f"its clock is {abs(ahead_s):.1f} s {'ahead' if ahead_s > 0 else 'behind'}"
    if abs(ahead_s) >= REFUSED_S:
        return error(AREA, name, f"{told}: signatures are refused", MEND)
    if abs(ahead_s) >= NOTED_S:
        return warning(AREA, name, f"{told}: times in records and logs do not agree", MEND)
    return ok(AREA, name, told)


def _redis_ahead_s(settings: Settings) -> float | None:
    try:
        with Redis.from_url(settings.broker_url(), socket_timeout=TIMEOUT_S) as redis:
            before_s = time.time()
            seconds, micros = redis.time()
            ours_s = (before_s + time.time()) / 2
    except RedisError:
        return None
    return int(seconds) + int(micros) / 1e6 - ours_s


def _s3_ahead_s(url: str) -> float | None:
    """By the Date of an answer, which has whole seconds."""
    try:
        answer = httpx.get(url, timeout=TIMEOUT_S)
        told = parsedate_to_datetime(answer.headers["date"])
    except (httpx.HTTPError, KeyError, ValueError):
        return None
    return told.replace(tzinfo=told.tzinfo or UTC).timestamp() + 0.5 - time.time()
