"""When a message is tried again: ten attempts over 75 hours, later when the receiver says so."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MINUTE_S, HOUR_S = 60, 3600
# Before each attempt; the first is at once.
DELAYS_S = (
    0,
    5,
    5 * MINUTE_S,
    30 * MINUTE_S,
    2 * HOUR_S,
    5 * HOUR_S,
    10 * HOUR_S,
    14 * HOUR_S,
    20 * HOUR_S,
    24 * HOUR_S,
)
JITTER = 0.1
LONGEST_S = 24 * HOUR_S


def next_delay_ms(tries: int, jitter: float, retry_after_s: float | None = None) -> int | None:
    """Milliseconds until the next attempt, or None when there was the last.

    Args:
        tries: attempts so far, at least 1.
        jitter: 0..1; spreads attempts that failed together over a tenth of their delay.
        retry_after_s: what the receiver asked for; it prolongs a delay and never shortens one,
            and is held to a day.
    """
    if tries >= len(DELAYS_S):
        return None
    wished_s = min(retry_after_s or 0.0, LONGEST_S)
    return int(1000 * max(DELAYS_S[tries] * (1 + JITTER * jitter), wished_s))


def read_retry_after(header: str | None, now_s: float) -> float | None:
    """Seconds of a `Retry-After` header, of either form; None when it says nothing."""
    if header is None:
        return None
    if header.strip().isascii() and header.strip().isdigit():
        return float(header.strip()[:9])
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):  # the latter where its zone is no zone of this world
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.fromtimestamp(now_s, UTC)).total_seconds())
