"""The command line, called in this process, and the embedded service in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from cli.main import main
from tcan_client import Client
from tests.servers import free_port, running, wait_until

PAINT_UP = Path(__file__).with_name("paint_up.py")


class Outcome(NamedTuple):
    """Output and exit status of a command."""

    code: int
    out: str
    err: str


Tcan = Callable[..., Outcome]


@pytest.fixture
def tcan(capsys: pytest.CaptureFixture[str]) -> Tcan:
    """Runs `tcan` with the words that it is given."""

    def run(*words: str) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(words)
        captured = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), captured.out, captured.err)

    return run


class Up(NamedTuple):
    """A running embedded service."""

    process: subprocess.Popen[bytes]
    url: str
    data: Path
    log: Path

    def processes(self) -> dict[int, str]:
        """Return process ids and command lines of all processes on the service's data."""
        return processes_of(self.data)

    def part(self, word: str) -> int:
        """Return the process id of the part whose command line contains this word."""
        [number] = [pid for pid, line in self.processes().items() if word in line]
        return number


StartUp = Callable[..., Up]


@pytest.fixture(scope="session")
def start_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartUp]:
    """Starts embedded services whose worker paints; all are stopped at the end."""
    with ExitStack() as stack:

        def start(step_s: float = 0.02, data: Path | None = None, ready: bool = True) -> Up:
            folder = tmp_path_factory.mktemp("up")
            data = folder / "data" if data is None else data
            port, log = free_port(), folder / "up.log"
            command = [sys.executable, str(PAINT_UP), str(data), str(port)]
            extra = {"PAINT_STEP_S": str(step_s), "TCAN_LEASE_MS": "60000"}
            extra["TCAN_OUTBOUND_ALLOW"] = "127.0.0.1"  # receivers of webhooks in tests
            process = stack.enter_context(running(command, log, extra))
            up = Up(process, f"http://127.0.0.1:{port}", data, log)
            if ready:
                wait_until(lambda: "Ready" in log.read_text(), "the service is ready")
            return up

        yield start


@pytest.fixture(scope="session")
def up(start_up: StartUp) -> Up:
    """One embedded service for the tests that leave it as it is."""
    return start_up()


@pytest.fixture
def client(up: Up) -> Iterator[Client]:
    """A client of that service."""
    with Client(up.url) as client:
        yield client


def processes_of(data: Path) -> dict[int, str]:
    """Find processes with the folder in their command line, TCAN_DATA or working directory."""
    processes = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            line, environment = _read(entry / "cmdline"), _read(entry / "environ")
            if (
                str(data) in line
                or f"TCAN_DATA={data}" in environment
                or _works_in(entry).is_relative_to(data)
            ):
                processes[int(entry.name)] = line
    return processes


def _works_in(process: Path) -> Path:
    try:
        return (process / "cwd").readlink()
    except OSError:
        return Path("/")


def _read(file: Path) -> str:
    try:
        return file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
