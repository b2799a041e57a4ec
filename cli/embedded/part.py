"""A child process that never outlives its parent."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from cli.private_files import PRIVATE_UMASK, make_private, private_opener

PR_SET_PDEATHSIG = 1
# A part that keeps ending within HEALTHY_S is restarted after growing pauses, since the cause, such
# as a full disk, may last.
PAUSES_S = (0.0, 0.0, 1.0, 2.0, 5.0)
HEALTHY_S = 30.0
# Everyone who reaches the gateway adds a line to its log with each refused request.
MAX_LOG_BYTES = 64 * 1024 * 1024


@dataclass
class Part:
    """One process of the service, with its log.

    Attributes:
        log: file that receives its output; others of the machine may read neither it nor any file
            that the process creates.
        withheld: environment variables that it does not inherit.
        inherited: file descriptors that it inherits.
        death_signal: signal that the system sends it when this process dies.
    """

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    withheld: tuple[str, ...] = ()
    inherited: tuple[int, ...] = ()
    death_signal: signal.Signals = signal.SIGKILL
    quick_exits: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _started_s: float = 0.0
    _ended_s: float | None = None

    def start(self) -> None:
        """Start the process in a session of its own, so that Ctrl-C reaches only its parent.

        Must be called from the main thread: the system ties the child's life to the thread.
        """
        inherited = {name: text for name, text in os.environ.items() if name not in self.withheld}
        with self._open_log() as log:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**inherited, **self.environment},
                pass_fds=self.inherited,
                start_new_session=True,
                umask=PRIVATE_UMASK,
                preexec_fn=_die_with_parent(self.death_signal),
            )
        self._started_s, self._ended_s = time.monotonic(), None

    def _open_log(self) -> IO[bytes]:
        """Open the log, or the null device if the disk is not writable."""
        try:
            make_private(self.log.parent)
            return open(self.log, "ab", opener=private_opener)
        except OSError:
            return open(os.devnull, "wb")

    def limit_log(self) -> None:
        """Keep a long log as `*.log.1`, in place of the one before, and begin a new one.

        The process appends to the same open file, so lines of this moment may be lost.
        """
        if not self.log.is_file() or self.log.stat().st_size <= MAX_LOG_BYTES:
            return
        kept = self.log.with_name(f"{self.log.name}.1")
        with suppress(OSError):  # on a full disk the space is needed most
            with open(self.log, "rb") as old, open(kept, "wb", opener=private_opener) as new:
                shutil.copyfileobj(old, new)
        with suppress(OSError):
            os.truncate(self.log, 0)

    @property
    def pid(self) -> int | None:
        """The process id, while it runs."""
        return None if self._process is None else self._process.pid

    def exit_reason(self) -> str | None:
        """Return how the process ended, or None while it runs."""
        code = None if self._process is None else self._process.poll()
        if code is None:
            return None
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def is_restart_due(self) -> bool:
        """Return whether to restart the process, which has ended."""
        now_s = time.monotonic()
        if self._ended_s is None:
            is_quick = now_s - self._started_s < HEALTHY_S
            self.quick_exits = self.quick_exits + 1 if is_quick else 0
            self._ended_s = now_s
        return now_s - self._ended_s >= PAUSES_S[min(self.quick_exits, len(PAUSES_S) - 1)]

    def terminate(self) -> None:
        """Ask the process to end."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def join(self, timeout_s: float) -> None:
        """Wait for the end; after the timeout kill the process and its children."""
        if self._process is None:
            return
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def log_tail(self, lines: int = 1) -> str:
        """Return the last lines of the log."""
        try:
            text = self.log.read_text(errors="replace").strip()
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


def _die_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    """Return a function that a child calls before its program, so that it dies with its parent.

    Only Linux can do this; elsewhere the children survive a killed parent.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def before_exec() -> None:
        prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # the parent died before prctl
            os._exit(1)

    return before_exec
