"""The short run of `make chaos`: nothing that was accepted is lost, done twice, or not told."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.harm import Harm
from tests.chaos.run import run
from tests.chaos.starving import BOUND_S, starved_s

SECONDS, SEED = 90, 11


@pytest.mark.long
@pytest.mark.e2e
@pytest.mark.timeout(SECONDS + 600)
def test_killed_and_stopped_processes_lose_no_job(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    report = run(int(os.environ.get("CHAOS_SECONDS", SECONDS)), SEED, tmp_path / "service")
    record_property("chaos", report.text())
    assert report.harms > 0
    assert (report.lost, report.twice, report.missing) == (0, 0, 0)
    assert report.starved_s <= BOUND_S


def test_time_without_accepted_jobs_is_measured() -> None:
    harms = [Harm("valkey", "SIGSTOP", 2_000, 9_000), Harm("weed", "SIGKILL", 9_500, 9_500)]
    assert starved_s(0, 12_000, [1_000, 10_000, 11_000], harms) == 2.0
    assert starved_s(0, 60_000, [1_000], harms) == 52.0
    assert starved_s(0, 60_000, [], harms) == 53.0
