"""Processes that compute with torch let idle OpenMP threads sleep, and import quickly."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys

import pytest

from cli.main import USING_TORCH
from tcan_core.startup import fast_imports

# With this variable libgomp prints its settings when it is loaded.
DISPLAY = {"OMP_DISPLAY_ENV": "VERBOSE"}
ANIMATE = ["-m", "cli.main", "animate", "--image=no.png", "--driving=no.json", "--out=x.mp4"]
TRAIN = ["-m", "tcan_core.training", "stage1", "--config=mini/stage1", "--check-config"]
CHILD = """
import subprocess, sys
from cli.main import build_app
build_app(["worker"])
subprocess.run([sys.executable, "-c", "import torch"], check=True)
"""


def start_python(arguments: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments in an environment that says nothing about waiting."""
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    return subprocess.run(
        [sys.executable, *arguments],
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.long
def test_commands_that_use_torch_set_the_wait_policy_before_torch_is_loaded() -> None:
    script = "import os, sys; from cli.main import COMMANDS, build_app\n"
    script += "for command in COMMANDS:\n"
    script += "    for name in ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT'): os.environ.pop(name, None)\n"
    script += "    build_app([command.name])\n"
    script += "    assert 'torch' not in sys.modules, command\n"
    script += "    if os.environ.get('OMP_WAIT_POLICY') == 'PASSIVE': print(command.name)\n"
    done = start_python(["-c", script])
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == USING_TORCH


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(ANIMATE, id="animate", marks=pytest.mark.long),
        pytest.param(TRAIN, id="train", marks=pytest.mark.long),
        pytest.param(["-c", CHILD], id="child"),
    ],
)
def test_openmp_is_loaded_with_passive_waiting(arguments: list[str]) -> None:
    """Also in children of a command, such as the peer processes of a worker."""
    assert spin_counts(start_python(arguments, **DISPLAY)) == ["400"]


@pytest.mark.long
def test_wait_policy_of_the_user_is_kept() -> None:
    done = start_python(["-c", CHILD], OMP_WAIT_POLICY="ACTIVE", GOMP_SPINCOUNT="7", **DISPLAY)
    assert "OMP_WAIT_POLICY = 'ACTIVE'" in done.stderr
    assert spin_counts(done) == ["7"]


def test_garbage_collection_is_paused_during_imports_only() -> None:
    with fast_imports():
        assert not gc.isenabled()
    assert gc.isenabled()


def spin_counts(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return how often a thread spins before it sleeps, for each OpenMP that was loaded."""
    return re.findall(r"GOMP_SPINCOUNT = '(\d+)'", done.stderr)
