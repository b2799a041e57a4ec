"""What README shows is what runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import samples
from tests.cli.conftest import Up
from tests.worker.paint import count_frames

pytestmark = pytest.mark.e2e


def test_the_lines_of_python_make_a_video(up: Up, repository: Path, tmp_path: Path) -> None:
    [lines] = re.findall(r"```python\n(.*?)```", (repository / "README.md").read_text(), re.DOTALL)
    assert len(lines.splitlines()) <= 10
    (tmp_path / "character.png").write_bytes(samples.png())
    samples.write_video(tmp_path / "dance.mp4", frames=6)
    script = lines.replace("http://127.0.0.1:8000", up.url)
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert "denoise" in ran.stdout
    assert count_frames(tmp_path / "x.mp4") == 6
