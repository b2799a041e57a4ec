"""Retry schedule: ten attempts over 75 hours, later if the receiver asks for it."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MINUTE_S, HOUR_S = 60, 3600
LATER_S = tuple(hours * HOUR_S for hours in (2, 5, 10, 14, 20, 24))
# Delay before each attempt.
DELAYS_S = (0, 5, 5 * MINUTE_S, 30 * MINUTE_S, *LATER_S)
JITTER = 0.1
MAX_DELAY_S = 24 * HOUR_S


def next_delay_ms(tries: int, jitter: float, retry_after_s: float | None = None) -> int | None:
    """Return milliseconds until the next attempt, None after the last.

    Args:
        tries: attempts so far, at least 1.
        jitter: 0..1; spreads attempts that failed together over 10 % of their delay.
        retry_after_s: minimum delay asked for by the receiver, at most a day.
    """
    if tries >= len(DELAYS_S):
        return None
    requested_s = min(retry_after_s or 0.0, MAX_DELAY_S)
    return int(1000 * max(DELAYS_S[tries] * (1 + JITTER * jitter), requested_s))


def read_retry_after(header: str | None, now_s: float) -> float | None:
    """Return the seconds of a `Retry-After` header, of either form; None if it is invalid."""
    if header is None:
        return None
    if header.strip().isascii() and header.strip().isdigit():
        return float(header.strip()[:9])
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):  # OverflowError: an impossible time zone
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.fromtimestamp(now_s, UTC)).total_seconds())
