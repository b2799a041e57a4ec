"""The Makefile and the scripts that set up a fresh machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.install import describe

TARGETS = ("demo", "test", "test-all", "check", "fix", "up", "help")


def find_python(repository: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run find_python.sh with a PATH of this folder only."""
    return subprocess.run(
        ["/bin/sh", repository / "tools/find_python.sh"],
        env={"PATH": str(folder)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def write_program(path: Path, text: str) -> None:
    """Write a shell script that can be run."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_help_lists_every_target(repository: Path) -> None:
    output = subprocess.run(
        ["make", "help"], cwd=repository, capture_output=True, text=True, check=True
    ).stdout
    assert set(TARGETS) <= set(re.findall(r"make ([\w-]+)", output))


@pytest.mark.parametrize("name", ["python3.11", "python3.12", "python3.13", "python3"])
def test_supported_python_is_found(repository: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to(sys.executable)
    result = find_python(repository, tmp_path)
    assert result.returncode == 0, result.stderr
    assert os.access(result.stdout.strip(), os.X_OK)


def test_broken_python_shim_is_skipped(repository: Path, tmp_path: Path) -> None:
    write_program(tmp_path / "python3.11", "echo 'no such version' >&2; exit 127")
    (tmp_path / "python3").symlink_to(sys.executable)
    assert find_python(repository, tmp_path).returncode == 0


def test_error_names_an_interpreter_that_is_too_old(repository: Path, tmp_path: Path) -> None:
    write_program(tmp_path / "python3", 'case "$2" in *print*) echo 3.9 ;; *) exit 1 ;; esac')
    result = find_python(repository, tmp_path)
    assert result.returncode == 1
    assert "Python 3.11 or newer is needed" in result.stderr
    assert "python3 is Python 3.9" in result.stderr


def test_error_says_how_to_install_venv(repository: Path, tmp_path: Path) -> None:
    write_program(
        tmp_path / "python3",
        'case "$2" in *print*) echo 3.12 ;; *ensurepip*) exit 1 ;; *) exit 0 ;; esac',
    )
    result = find_python(repository, tmp_path)
    assert result.returncode == 1
    assert "apt install python3.12-venv" in result.stderr


def test_error_says_that_no_python_was_found(repository: Path, tmp_path: Path) -> None:
    result = find_python(repository, tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("error: Python 3.11 or newer is needed")


@pytest.mark.parametrize(
    ("line", "summary"),
    [
        ("  Downloading scipy-1.17.1-cp311-abi3-any.whl (35.2 MB)\n", "  scipy 1.17.1 (35.2 MB)"),
        ("  Using cached rich-15.0.0-py3-none-any.whl (310 kB)\n", "  rich 15.0.0 (310 kB)"),
        ("  Downloading https://example.org/a/b-1-py3-none-any.whl (1 kB)\n", "  b 1 (1 kB)"),
        ("Processing /wheels/torch-2.13.0+cpu-cp311-cp311-any.whl\n", "  torch 2.13.0+cpu"),
        (
            "Installing collected packages: a, b, c\n",
            "  installing 3 packages ...",
        ),
        ("Collecting rich==15.0.0 (from tcan==0.1.0)\n", None),
    ],
)
def test_pip_output_becomes_one_line_per_package(line: str, summary: str | None) -> None:
    assert describe(line) == summary


def pins(path: Path) -> dict[str, str]:
    """Read a constraints file."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return dict(line.split("==") for line in lines if line)


def test_constraints_files_differ_only_in_torch(repository: Path) -> None:
    base, pose = pins(repository / "constraints.txt"), pins(repository / "constraints-pose.txt")
    assert {name for name in base if pose.get(name) != base[name]} == {"torch"}
