"""The examples of README run as shown."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests import samples
from tests.cli.conftest import Up
from tests.servers import GUARD_S
from tests.worker.paint import count_frames

pytestmark = pytest.mark.e2e


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that README names."""
    (tmp_path / "character.png").write_bytes(samples.png())
    samples.write_video(tmp_path / "dance.mp4", frames=6)
    return tmp_path


def run(command: list[str], folder: Path, **more: str) -> str:
    """Run a command that must succeed and return what it prints."""
    ran = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        timeout=GUARD_S,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_python_example_of_readme_makes_a_video(up: Up, repository: Path, folder: Path) -> None:
    [lines] = re.findall(r"```python\n(.*?)```", (repository / "README.md").read_text(), re.DOTALL)
    assert len(lines.splitlines()) <= 10
    assert "denoise" in run([sys.executable, "-c", lines], folder, TCAN_URL=up.url)
    assert count_frames(folder / "x.mp4") == 6


def test_command_line_example_of_readme_makes_a_video(
    up: Up, repository: Path, folder: Path
) -> None:
    [line] = re.findall(
        r"^\.venv/bin/tcan (submit .*)$", (repository / "README.md").read_text(), re.M
    )
    assert line.endswith("--wait --out x.mp4")
    command = [f"{sysconfig.get_path('scripts')}/tcan", *shlex.split(line)]
    assert "succeeded" in run(command, folder, TCAN_URL=up.url)
    assert count_frames(folder / "x.mp4") == 6
