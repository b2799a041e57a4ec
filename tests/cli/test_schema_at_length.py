"""schemathesis as its command line, with many examples, against the whole embedded service."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import StartUp

EXAMPLES = 200
# The second found that a parameter which was sent twice was taken as its last.
SEEDS = (1, 20260118, 7)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_route_follows_its_schema_over_many_examples(
    seed: int,
    start_up: StartUp,
    repository: Path,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    up = start_up(step_s=0.0)
    config = repository / "schemathesis.toml"
    command = [f"{sysconfig.get_path('scripts')}/schemathesis", "--config-file", str(config)]
    command += ["run", f"{up.url}/openapi.json", "-n", str(EXAMPLES), "--no-color"]
    command += ["--seed", str(seed)]
    hooks = {
        "PYTHONPATH": str(repository),
        "SCHEMATHESIS_HOOKS": "tests.service.schema_hooks",
    }
    ran = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **hooks}, capture_output=True, text=True
    )
    info = re.findall(r"^.*(?:Test cases|generated|Tested|Selected).*$", ran.stdout, re.MULTILINE)
    record_property(f"seed {seed}", "\n".join(info))
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr
