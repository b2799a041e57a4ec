"""A background task's failures are logged ever more rarely, and its pauses grow."""

from __future__ import annotations

import logging

import pytest

from service.errors import UnavailableError
from service.outage import MAX_PAUSE_S, QUIET_S, Outage

logger = logging.getLogger("tests.outage")
ERROR = UnavailableError("the job store does not answer")


def test_long_outage_is_a_few_lines_and_growing_pauses(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    outage = Outage("sweeper", logger, lambda: 1000.0)
    pauses = [outage.report(ERROR) for _ in range(1000)]
    assert pauses[:5] == [0.5, 1.0, 2.0, 4.0, MAX_PAUSE_S]
    assert set(pauses[5:]) == {MAX_PAUSE_S}
    assert len(caplog.records) == 10
    outage.end()
    outage.end()
    assert caplog.records[-1].getMessage() == "sweeper works again: failures=1000"
    assert len(caplog.records) == 11
    assert outage.report(ERROR) == 0.5


def test_failures_far_apart_are_outages_of_their_own(caplog: pytest.LogCaptureFixture) -> None:
    now_s = 1000.0
    outage = Outage("cancel listener", logger, lambda: now_s)
    for _ in range(3):
        assert outage.report(ERROR) == 0.5
        now_s += QUIET_S + 1
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
