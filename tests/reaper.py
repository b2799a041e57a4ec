"""Kill the processes that tests started when the test process ends, however it ends.

SIGTERM, SIGKILL, a crash and a second Ctrl-C skip the fixtures' teardown. A second process, the
reaper, reads from a pipe that the test process holds open: when it closes, the reaper kills every
process whose environment holds the test process's token. It needs /proc: elsewhere than on Linux
there is none.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the reaper itself runs without any package
    import pytest

VARIABLE = "TEST_PROCESS_TOKEN"
_reapers: list[subprocess.Popen[bytes]] = []


def pytest_configure(config: pytest.Config) -> None:
    """Start the reaper of this process: the controller of a run, or one of its workers."""
    if _reapers or sys.platform != "linux":
        return
    token = secrets.token_hex(8)
    reaper = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, token],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the test process
        env={},
    )
    assert reaper.stdin is not None
    # This process alone holds the pipe; its children inherit the token.
    os.register_at_fork(after_in_child=reaper.stdin.close)
    _reapers.append(reaper)
    os.environ[VARIABLE] = token


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let the reaper kill the remaining processes."""
    while _reapers:
        _reapers.pop().communicate()


def reap(token: str) -> None:
    """Kill all processes with the token, also those that start meanwhile."""
    while pids := processes_with(token):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.05)


def processes_with(token: str) -> list[int]:
    """Return the numbers of live processes whose environment holds the token."""
    entry, pids = f"{VARIABLE}={token}".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if entry in (folder / "environ").read_bytes().split(b"\0"):
                pids.append(int(folder.name))
        except OSError:  # gone, or another user's
            continue
    return pids


if __name__ == "__main__":
    sys.stdin.buffer.read()  # until the test process is gone
    reap(sys.argv[1])
