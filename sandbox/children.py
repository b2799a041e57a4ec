"""The parent's side of the sandbox: one sandbox per process, and its children."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from sandbox.errors import ChildStoppedError, Reason, SandboxUnusableError
from sandbox.limits import MIB, ChildLimits
from sandbox.wire import HEAD, Kind
from sandbox.zygote import READY, STATUS

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
# How often a waiting parent calls `check`.
CHECK_S = 0.02
EXIT_S = 5.0

# A file, by path or content, and the argument for it: JSON-serializable data.
Call = tuple[Path | bytes, Any]


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


class Child:
    """A running child, which answers one request after the other.

    A child that was once stopped, or has sent anything invalid, must get no other request.

    Args:
        channel: delivers its messages.
        status: pipe from which its exit status is read; closing the pipe stops the child.
        limits: resource limits.
        check: called while the parent waits for a message.
    """

    def __init__(
        self,
        channel: socket.socket,
        status: int,
        limits: ChildLimits,
        check: Callable[[], None] | None,
    ) -> None:
        self._channel, self._status, self._limits, self._check = channel, status, limits, check
        self._left_s, self._left_bytes = 0.0, 0

    def request(self, calls: Sequence[Call]) -> None:
        """Send files; the child calls its target for one after the other.

        A child that has exited is noticed when its first message is read.

        Args:
            calls: the files of one request, each with its argument.

        Raises:
            OSError: a file cannot be opened.
        """
        self._left_s = self._limits.wait_s * len(calls)
        self._left_bytes = self._limits.output_bytes
        arguments = json.dumps([argument for _, argument in calls]).encode()
        with ExitStack() as stack:
            files = [stack.enter_context(_open_file(file)).fileno() for file, _ in calls]
            with suppress(OSError):
                socket.send_fds(self._channel, [arguments], files)

    def json(self) -> Any:
        """Return the next message, which must be JSON. Raises ChildStoppedError."""
        message = self.next()
        if not isinstance(message, bytes):
            raise self._stopped(Reason.CRASH, "it sent no answer")
        return self._parse(message)

    def next(self) -> bytes | bytearray | None:
        """Return the next message: JSON as bytes, raw data as a bytearray, None at the end.

        Raises:
            ChildStoppedError: the child crashed or reached a limit.
        """
        kind, length = HEAD.unpack(self._read(HEAD.size))
        if length > self._left_bytes:
            raise self._stopped(Reason.OUTPUT)
        self._left_bytes -= length
        content = self._read(length)
        match kind:
            case Kind.JSON:
                return bytes(content)
            case Kind.BYTES:
                return content
            case Kind.END:
                return None
        raise self._reported(bytes(content))

    def finish(self) -> None:
        """Read the end of the answers to a request. Raises ChildStoppedError."""
        if self.next() is not None:
            raise self._stopped(Reason.CRASH, "it sent too many answers")

    def allow(self, output_bytes: int) -> None:
        """Accept this many more bytes of messages."""
        self._left_bytes += output_bytes

    def close(self) -> None:
        """Stop the child if it is still running."""
        self._channel.close()
        if self._status >= 0:
            os.close(self._status)
            self._status = -1

    def _read(self, size: int) -> bytearray:
        content = bytearray(size)
        view = memoryview(content)
        while view:
            received = self._receive(view)
            if received == 0:
                raise self._exited()
            view = view[received:]
        return content

    def _receive(self, view: memoryview) -> int:
        """Receive bytes into the view; return how many, 0 at the end of the stream."""
        while True:
            wait_s = self._left_s
            if self._check is not None:
                self._check()
                wait_s = min(wait_s, CHECK_S)
            start_s = time.monotonic()
            self._channel.settimeout(max(wait_s, 0.001))
            try:
                return self._channel.recv_into(view)
            except TimeoutError:
                pass
            except OSError:
                return 0
            finally:
                self._left_s -= time.monotonic() - start_s
            if self._left_s <= 0:
                raise self._stopped(Reason.TIME)

    def _exited(self) -> ChildStoppedError:
        """Return the reason for which the child exited early."""
        if not select.select([self._status], [], [], max(self._left_s, 0.001))[0]:
            return self._stopped(Reason.TIME)
        content = os.read(self._status, STATUS.size)
        if len(content) < STATUS.size or not os.WIFSIGNALED(status := STATUS.unpack(content)[0]):
            return self._stopped(Reason.CRASH)
        number = os.WTERMSIG(status)
        if number == signal.SIGXCPU:
            return self._stopped(Reason.CPU)
        return self._stopped(Reason.CRASH, signal.Signals(number).name)

    def _reported(self, message: bytes) -> ChildStoppedError:
        """Return the reason that the child itself reported."""
        report = self._parse(message)
        memory = isinstance(report, dict) and report.get("reason") == Reason.MEMORY
        detail = report.get("detail", "") if isinstance(report, dict) else ""
        return self._stopped(Reason.MEMORY if memory else Reason.CRASH, str(detail))

    def _parse(self, text: bytes) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self._stopped(Reason.CRASH, "its message is not valid JSON") from error

    def _stopped(self, reason: Reason, detail: str = "") -> ChildStoppedError:
        limits = self._limits
        details = {
            Reason.MEMORY: f"needs more than {limits.memory_bytes // MIB:,} MiB of memory",
            Reason.CPU: f"needs more than {limits.cpu_s} s of processor time",
            Reason.TIME: f"needs more than {limits.wait_s:g} s",
            Reason.OUTPUT: "sends more data than the file may contain",
            Reason.CRASH: "crashed" + (f" ({detail})" if detail else ""),
        }
        return ChildStoppedError(reason, details[reason])


@contextmanager
def _open_file(file: Path | bytes) -> Iterator[BinaryIO]:
    if isinstance(file, Path):
        with open(file, "rb", buffering=0) as opened:
            yield opened
        return
    with tempfile.TemporaryFile(buffering=0) as stream:
        stream.write(file)
        stream.seek(0)
        yield stream
