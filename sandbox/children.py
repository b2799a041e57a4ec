"""The parent's side of the sandbox: starts children, and the zygote that forks them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from sandbox.child import Call, Child
from sandbox.errors import SandboxUnusableError
from sandbox.limits import ChildLimits
from sandbox.zygote import READY

# Variables that a child inherits; none of them is a secret of the service.
ENVIRONMENT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
# One thread at the start, and few memory arenas: each reserves address space. Freed buffers up to
# 32 MiB are used again, because each new page costs a child a page fault (glibc only).
ALLOCATION = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "67108864",
}
START_S = 60.0
EXIT_S = 5.0


class Sandbox:
    """A runner of functions on files, in child processes.

    The zygote, which forks the children, is started at the first use, and again when it has died.
    Threads may share one sandbox.

    Args:
        modules: imported by the zygote, which then calls `load()` of each, to load files that a
            child cannot open. They must not start threads.
    """

    def __init__(self, *modules: str) -> None:
        self._modules = modules
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._finalizer: (
            weakref.finalize[[socket.socket, subprocess.Popen[bytes]], Sandbox] | None
        ) = None

    def start(self) -> None:
        """Start the zygote if it is not running; do not wait for its imports."""
        with self._lock:
            if self._control is None:
                self._spawn()

    def close(self) -> None:
        """Stop all children and the zygote."""
        with self._lock:
            self._drop()

    @contextmanager
    def child(
        self,
        target: str,
        calls: Sequence[Call],
        limits: ChildLimits,
        check: Callable[[], None] | None = None,
    ) -> Iterator[Child]:
        """Start a child for one request and for the length of a `with` block.

        Args:
            target: see `start_child`.
            calls: see `Child.request`.
            limits: resource limits of the child.
            check: called every `CHECK_S` while the parent waits; may raise to stop waiting.

        Raises:
            OSError: a file cannot be opened.
            SandboxUnusableError: no child can be started.
        """
        child = self.start_child(target, limits, check)
        try:
            child.request(calls)
            yield child
        finally:
            child.close()

    def start_child(
        self, target: str, limits: ChildLimits, check: Callable[[], None] | None = None
    ) -> Child:
        """Start a child, which waits for requests; the caller closes it.

        Args:
            target: `module:function`; called with a file, an argument and a `MessageWriter`.
            limits: resource limits of the child.
            check: called every `CHECK_S` while the parent waits; may raise to stop waiting.

        Raises:
            SandboxUnusableError: no child can be started.
        """
        request = json.dumps({"target": target, "limits": asdict(limits)})
        channel, remote = socket.socketpair()
        status, status_writer = os.pipe()
        child = Child(channel, status, limits, check)
        try:
            self._fork(request.encode(), [status_writer, remote.fileno()])
        except BaseException:
            child.close()
            raise
        finally:
            remote.close()
            os.close(status_writer)
        return child

    def _fork(self, request: bytes, descriptors: Sequence[int]) -> None:
        with self._lock:
            for _ in range(2):
                if self._control is None:
                    self._spawn()
                assert self._control is not None
                try:
                    socket.send_fds(self._control, [request], descriptors)
                    if self._control.recv(1) == READY:
                        return
                except OSError:
                    pass
                self._drop()
        raise SandboxUnusableError("the process that forks decoders died twice")

    def _spawn(self) -> None:
        control, remote = socket.socketpair()
        environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
        command = [sys.executable, "-P", "-m", "sandbox.zygote", str(remote.fileno())]
        with remote:
            process = subprocess.Popen(
                [*command, *self._modules],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=environment | ALLOCATION,
                pass_fds=[remote.fileno()],
                start_new_session=True,  # Ctrl-C stops the parent only; the zygote follows it
            )
        control.settimeout(START_S)
        self._control = control
        self._finalizer = weakref.finalize(self, _stop, control, process)

    def _drop(self) -> None:
        self._control = None
        if self._finalizer is not None:
            self._finalizer()


def _stop(control: socket.socket, process: subprocess.Popen[bytes]) -> None:
    """Close the control socket, so that the zygote stops its children and exits."""
    control.close()
    try:
        process.wait(EXIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
