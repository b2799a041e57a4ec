"""The TypeScript client's tests, run by Node.js against the embedded service with `mini`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.demo import draw_pair
from tests.servers import free_port, running, wait_until

pytestmark = [pytest.mark.node, pytest.mark.e2e]

FRAMES = 9


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """URL of a service that may read URLs of this machine."""
    port, log = free_port(), tmp_path / "up.log"
    command = [sys.executable, "-m", "cli.main", "up", "--port", str(port)]
    command += ["--data", str(tmp_path / "data")]
    with running(command, log, {"TCAN_OUTBOUND_ALLOW": "127.0.0.1"}):
        wait_until(lambda: "Ready" in log.read_text(), "the service is ready")
        yield f"http://127.0.0.1:{port}"


def test_typescript_client_passes_its_tests(url: str, tmp_path: Path, repository: Path) -> None:
    files = draw_pair(tmp_path / "pair", seed=1_000_000, frames=FRAMES)
    ran = subprocess.run(
        ["node", "--test", "--test-reporter=tap", "dist/test/client.test.js"],
        cwd=repository / "clients/typescript",
        env={**os.environ, "TCAN_URL": url, "TCAN_API_KEY": "", "TCAN_TEST_FILES": str(files)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "# fail 0" in ran.stdout and "# skipped 0" in ran.stdout
