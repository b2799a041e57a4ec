"""The short run of `make chaos`: nothing that was accepted is lost, done twice, or not told."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.run import run

SECONDS, SEED = 90, 11


@pytest.mark.e2e
@pytest.mark.timeout(SECONDS + 600)
def test_no_harm_loses_a_job(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    report = run(int(os.environ.get("CHAOS_SECONDS", SECONDS)), SEED, tmp_path / "service")
    record_property("chaos", report.text())
    assert report.harms > 0
    assert report.accepted > 0
    assert (report.lost, report.twice, report.missing) == (0, 0, 0)
