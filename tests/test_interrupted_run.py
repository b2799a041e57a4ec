"""Interrupted test runs leave no processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import GUARD_S, wait_until

# Also starts a process that only SIGKILL ends.
INNER_TEST = """
import subprocess, sys, threading
from pathlib import Path

STUBBORN = "from signal import *; pthread_sigmask(SIG_BLOCK, valid_signals()); input()"

def test_that_waits({fixtures}):
    child = subprocess.Popen(
        [sys.executable, "-c", STUBBORN, {folder!r}], stdin=subprocess.PIPE, start_new_session=True
    )
    Path({folder!r}, "started").touch()
    threading.Event().wait()
"""


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("target", "signal_number", "fixtures"),
    [
        pytest.param("run", signal.SIGINT, "valkey_url, s3_server", marks=pytest.mark.long),
        pytest.param("run", signal.SIGTERM, "valkey_url", marks=pytest.mark.long),
        ("run", signal.SIGKILL, "valkey_url"),
        pytest.param("worker", signal.SIGKILL, "valkey_url", marks=pytest.mark.long),
    ],
)
def test_interrupted_run_leaves_no_process(
    tmp_path: Path, repository: Path, target: str, signal_number: signal.Signals, fixtures: str
) -> None:
    file = tmp_path / "test_inner.py"
    file.write_text(INNER_TEST.format(folder=str(tmp_path), fixtures=fixtures))
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["tests.servers", "tests.reaper"]')
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--rootdir={tmp_path}"]
    command += [f"--basetemp={tmp_path}/base", "--numprocesses=1", str(file)]
    with open(tmp_path / "log", "wb") as log:
        run = subprocess.Popen(
            command, cwd=repository, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until((tmp_path / "started").exists, "the inner test waits")
        assert (
            len(processes_of(tmp_path)) >= 3
        )  # the run, a server and the process that blocks signals
        if target == "worker":
            os.kill(worker_of(run), signal_number)
        elif signal_number is signal.SIGINT:  # Ctrl-C is for the whole group
            os.killpg(run.pid, signal_number)
        else:
            run.send_signal(signal_number)
        run.wait(GUARD_S)
    finally:
        run.kill()
        run.wait()
    wait_until(lambda: not processes_of(tmp_path), "no process remains")


def processes_of(folder: Path) -> list[int]:
    """Return the processes with the folder in their command line or as working directory."""
    pids = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "cmdline").read_bytes() + os.readlink(os.fsencode(entry / "cwd"))
        except OSError:
            continue
        if os.fsencode(folder) in text:
            pids.append(int(entry.name))
    return pids


def worker_of(run: subprocess.Popen[bytes]) -> int:
    """Return the run's only pytest-xdist worker."""
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    lines = {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in children}
    [worker] = [pid for pid, line in lines.items() if b"sys.stdin.readline" in line]
    return worker
