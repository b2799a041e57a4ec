"""The benchmark of growth, at small sizes: its verdict counts commands, pauses and bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import GUARD_S

# These rows need a quiet machine: they measure how long a message takes.
TIMED = {"feed-lag", "slow-receivers", "new-receiver"}


@pytest.mark.long
def test_work_does_not_grow_with_what_is_stored(repository: Path) -> None:
    script = repository / "docs" / "benchmarks" / "service" / "growth.py"
    listing = subprocess.run(
        [sys.executable, script, "--list"], capture_output=True, text=True, check=True
    )
    names = ",".join(name for name in listing.stdout.split() if name not in TIMED)
    options = ("--count", "--rounds=4", "--sizes=60,240", f"--only={names}")
    run = subprocess.run(
        [sys.executable, script, *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=GUARD_S,
    )
    assert run.returncode == 0, run.stdout + run.stderr
