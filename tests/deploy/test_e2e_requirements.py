"""`make e2e-docker` names what this machine lacks before it builds anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# An engine without images, on a machine that reaches no registry; every call is written down.
ENGINE = """#!/bin/sh
echo "$@" >> {calls}
case "$1" in
  info) exit 0 ;;
  compose) exit {compose} ;;
  *) exit 1 ;;
esac
"""


def run(folder: Path, repository: Path, compose: int | None) -> tuple[int, str, list[str]]:
    """Run the test with these commands only; return exit code, output and calls of the engine.

    Args:
        compose: exit code of `docker compose`; None for no docker at all.
    """
    calls = folder / "calls"
    calls.touch()
    (folder / "sh").symlink_to("/bin/sh")
    if compose is not None:
        (folder / "docker").write_text(ENGINE.format(calls=calls, compose=compose))
        (folder / "docker").chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e_docker"],
        cwd=repository,
        env={**os.environ, "PATH": str(folder)},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr, calls.read_text().splitlines()


@pytest.mark.long
def test_missing_engine_and_compose_are_named_together(tmp_path: Path, repository: Path) -> None:
    code, said, _ = run(tmp_path, repository, compose=None)
    assert code == 1
    assert "error: no command docker; install Docker" in said
    assert "error: neither `docker compose` nor `docker-compose` is installed" in said


@pytest.mark.long
def test_missing_compose_is_named_before_images_are_built(tmp_path: Path, repository: Path) -> None:
    code, said, calls = run(tmp_path, repository, compose=1)
    assert (code, "neither `docker compose`" in said) == (1, True)
    assert calls == ["info", "compose version"]


@pytest.mark.long
def test_missing_debootstrap_is_named_if_no_image_can_be_pulled(
    tmp_path: Path, repository: Path
) -> None:
    code, said, calls = run(tmp_path, repository, compose=0)
    assert code == 1
    assert "needs root and debootstrap (Debian package: debootstrap)" in said
    assert "Traceback" not in said
    assert [call for call in calls if call.startswith("build")] == []
