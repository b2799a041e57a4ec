"""The retry schedule."""

from __future__ import annotations

import pytest

from service.webhooks.schedule import DELAYS_S, next_delay_ms, read_retry_after


def test_ten_attempts_fit_in_75_hours() -> None:
    delays = [next_delay_ms(tries, 0.0) for tries in range(1, len(DELAYS_S) + 1)]
    minute, hour = 60_000, 3_600_000
    hours = [hours * hour for hours in (2, 5, 10, 14, 20, 24)]
    assert delays == [5_000, 5 * minute, 30 * minute, *hours, None]
    assert sum(DELAYS_S) == pytest.approx(75.6 * 3600, rel=0.01)


def test_jitter_adds_at_most_ten_percent() -> None:
    assert next_delay_ms(2, 1.0) == 330_000
    assert next_delay_ms(2, 0.5) == 315_000


@pytest.mark.parametrize(
    ("wished_s", "delay_ms"),
    [(None, 5_000), (2.0, 5_000), (90.0, 90_000), (1e9, 24 * 3_600_000)],
)
def test_retry_after_extends_delay_up_to_a_day(wished_s: float | None, delay_ms: int) -> None:
    assert next_delay_ms(1, 0.0, wished_s) == delay_ms


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("9" * 400, 999_999_999.0),
        ("soon", None),
        ("-3", None),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Mon, 01 Jan 2024 00:00:00 +99999999999999999999", None),
        ("Mon, 32 Jan 2024 25:00:00 GMT", None),
        ("", None),
    ],
)
def test_retry_after_accepts_seconds_or_date(header: str | None, seconds: float | None) -> None:
    assert read_retry_after(header, now_s=100.0) == seconds
