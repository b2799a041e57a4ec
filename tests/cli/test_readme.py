"""The examples of README run as shown."""

from __future__ import annotations

import os
import re
import shlex
import shutil
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


def shell_block(repository: Path, word: str) -> str:
    """Return the block of shell commands of README that contains a word."""
    blocks = re.findall(r"```sh\n(.*?)```", (repository / "README.md").read_text(), re.DOTALL)
    [block] = [block for block in blocks if word in block]
    return str(block)


def test_curl_examples_of_readme_make_a_video(up: Up, repository: Path, tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(sysconfig.get_path("scripts"))
    script = shell_block(repository, "curl").replace("http://127.0.0.1:8000", up.url)
    printed = run(["bash", "-euo", "pipefail", "-c", script], tmp_path)
    assert "event: job.succeeded" in printed or '"status":"succeeded"' in printed
    assert count_frames(tmp_path / "result.mp4") == 24


def test_env_example_of_readme_sets_every_secret(repository: Path, tmp_path: Path) -> None:
    shutil.copy(repository / ".env.example", tmp_path)
    lines = shell_block(repository, ".env.example").partition("docker compose")[0]
    run(["bash", "-euo", "pipefail", "-c", lines], tmp_path)
    required = re.findall(r"\$\{(\w+):\?", (repository / "docker-compose.yml").read_text())
    values = dict(re.findall(r"^(\w+)=(\w+)$", (tmp_path / ".env").read_text(), re.MULTILINE))
    assert {name: len(values[name]) for name in required} == dict.fromkeys(required, 40)
    assert len(set(required)) == 6
