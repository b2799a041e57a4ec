"""The Python client against the whole service: every method, and the examples of its README."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tcan_client import Client
from tests import samples
from tests.cli.conftest import Up
from tests.servers import GUARD_S
from tests.worker.paint import count_frames

pytestmark = pytest.mark.e2e


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an image and a driving video."""
    (tmp_path / "character.png").write_bytes(samples.png())
    samples.write_video(tmp_path / "dance.mp4")
    return tmp_path


def run(up: Up, folder: Path, *arguments: str) -> None:
    """Run a Python script in the folder; it must succeed."""
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "TCAN_URL": up.url},
        capture_output=True,
        text=True,
        timeout=GUARD_S,
    )
    assert ran.returncode == 0, ran.stderr


def test_every_method_works(up: Up, repository: Path, folder: Path) -> None:
    script = repository / "tests/clients/python/every_method.py"
    run(up, folder, str(script), str(folder))
    assert count_frames(folder / "result.mp4") == 5
    called = set(re.findall(r"client\.(\w+)\(", script.read_text()))
    methods = {name for name, _ in inspect.getmembers(Client, inspect.isfunction)}
    assert {name for name in methods if not name.startswith("_")} - called == set()


@pytest.mark.long
def test_examples_of_the_readme_run(up: Up, repository: Path, folder: Path) -> None:
    readme = (repository / "clients/python/README.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    run(up, folder, "-c", "\n\n".join(examples))
    assert count_frames(folder / "result.mp4") == 5
