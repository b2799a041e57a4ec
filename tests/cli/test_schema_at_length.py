"""schemathesis as its command line, with many examples, against the whole embedded service."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.cli.conftest import StartUp

EXAMPLES = 200


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_every_route_keeps_to_its_description_over_many_examples(
    start_up: StartUp, repository: Path, tmp_path: Path
) -> None:
    up = start_up(step_s=0.0)
    config = repository / "schemathesis.toml"
    command = [f"{sysconfig.get_path('scripts')}/schemathesis", "--config-file", str(config)]
    command += ["run", f"{up.url}/openapi.json", "-n", str(EXAMPLES), "--no-color"]
    hooks = {
        "PYTHONPATH": str(repository),
        "SCHEMATHESIS_HOOKS": "tests.service.schema_hooks",
    }
    ran = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, **hooks}, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr
