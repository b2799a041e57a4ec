"""The benchmark of growth, at small sizes: its verdict counts commands, pauses and bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import GUARD_S

# These rows need a quiet machine: they measure how long a message takes.
TIMED = {"feed-lag", "slow-receivers", "new-receiver"}


# With few jobs its bytes are those of tables that grow by steps.
MANY = {"full"}


@pytest.mark.long
def test_work_does_not_grow_with_what_is_stored(repository: Path) -> None:
    script = repository / "docs" / "benchmarks" / "service" / "growth.py"
    listing = subprocess.run(
        [sys.executable, script, "--list"], capture_output=True, text=True, check=True
    )
    few = set(listing.stdout.split()) - TIMED - MANY
    for names, sizes in ((few, "60,240"), (MANY, "240,960")):
        run = subprocess.run(
            [
                *(sys.executable, script, "--count", "--rounds=4"),
                *(f"--sizes={sizes}", f"--only={','.join(sorted(names))}"),
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=GUARD_S,
        )
        assert run.returncode == 0, run.stdout + run.stderr
