"""A short run of `make chaos`: no accepted job is lost or duplicated, no webhook is missing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.faults import Fault
from tests.chaos.run import run
from tests.chaos.submit_gap import MAX_GAP_S, longest_gap_s

SECONDS, SEED = 90, 11


@pytest.mark.long
@pytest.mark.e2e
@pytest.mark.timeout(SECONDS + 600)
def test_killed_and_stopped_processes_lose_no_job(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    report = run(int(os.environ.get("CHAOS_SECONDS", SECONDS)), SEED, tmp_path / "service")
    record_property("chaos", report.text())
    assert report.faults > 0
    assert (report.lost, report.duplicated, report.missing) == (0, 0, 0)
    assert report.longest_gap_s <= MAX_GAP_S


def test_time_without_accepted_jobs_is_measured() -> None:
    faults = [Fault("valkey", "SIGSTOP", 2_000, 9_000), Fault("weed", "SIGKILL", 9_500, 9_500)]
    assert longest_gap_s(0, 12_000, [1_000, 10_000, 11_000], faults) == 2.0
    assert longest_gap_s(0, 60_000, [1_000], faults) == 52.0
    assert longest_gap_s(0, 60_000, [], faults) == 53.0
