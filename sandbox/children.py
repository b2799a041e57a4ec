"""The parent's side: one sandbox per process, one child per file."""

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
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from sandbox.errors import ChildStoppedError, Reason, SandboxUnusableError
from sandbox.limits import MIB, ChildLimits
from sandbox.wire import HEAD, Kind
from sandbox.zygote import READY, STATUS

# All that a child's environment holds: none of the service's secrets.
ENVIRONMENT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
# One thread until the file asks for more, and no address space set aside for each.
SMALL = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
START_S = 60.0
# How often a parent that waits asks whether what comes is still wanted.
LOOK_S = 0.02
DEATH_S = 5.0


class Sandbox:
    """Runs functions of some modules on files, each time in a fresh child.

    The process that forks the children is started at the first use, and again when it was lost.
    Threads may share one sandbox.

    Args:
        modules: loaded before children are forked, and the `load()` of each called, which loads
            what a child could not any more. They must not start threads.
    """

    def __init__(self, *modules: str) -> None:
        self._modules = modules
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._end: weakref.finalize[[socket.socket, subprocess.Popen[bytes]], Sandbox] | None = None

    def start(self) -> None:
        """Begin to load the modules, if that was not begun; waits for nothing."""
        with self._lock:
            if self._control is None:
                self._spawn()

    def close(self) -> None:
        """End all children, and the process that forks them."""
        with self._lock:
            self._drop()

    @contextmanager
    def child(
        self,
        target: str,
        file: Path | bytes,
        argument: Any,
        limits: ChildLimits,
        check: Callable[[], None] | None = None,
    ) -> Iterator[Child]:
        """A child that runs `module:function` of the file, the argument and its way to here.

        Args:
            argument: plain data for JSON.
            check: called every `LOOK_S` while the child is waited for; what it raises ends that.

        Raises:
            OSError: the file cannot be opened.
            SandboxUnusableError: no child can be made.
        """
        request = {"target": target, "argument": argument, "limits": asdict(limits)}
        here, there = socket.socketpair()
        status, told = os.pipe()
        try:
            with _opened(file) as stream, there:
                self._fork(json.dumps(request).encode(), [stream.fileno(), there.fileno(), told])
        except BaseException:
            os.close(status)
            here.close()
            raise
        finally:
            os.close(told)
        child = Child(here, status, limits, check)
        try:
            yield child
        finally:
            child.close()

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
        raise SandboxUnusableError("the process that makes decoders was lost twice")

    def _spawn(self) -> None:
        here, there = socket.socketpair()
        environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
        command = [sys.executable, "-P", "-m", "sandbox.zygote", str(there.fileno())]
        with there:
            process = subprocess.Popen(
                [*command, *self._modules],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=environment | SMALL,
                pass_fds=[there.fileno()],
                start_new_session=True,  # Ctrl-C is for the parent, whose end ends it
            )
        here.settimeout(START_S)
        self._control = here
        self._end = weakref.finalize(self, _end, here, process)

    def _drop(self) -> None:
        self._control = None
        if self._end is not None:
            self._end()


def _end(control: socket.socket, process: subprocess.Popen[bytes]) -> None:
    """Let the zygote see that nobody is there any more; it ends its children first."""
    control.close()
    try:
        process.wait(DEATH_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Child:
    """One child at work.

    Args:
        way: on which its messages come.
        status: on which the zygote tells how it ended; closing it ends the child.
        check: called while it is waited for.
    """

    def __init__(
        self,
        way: socket.socket,
        status: int,
        limits: ChildLimits,
        check: Callable[[], None] | None,
    ) -> None:
        self._way, self._status, self._limits, self._check = way, status, limits, check
        self._left_s, self._left_bytes = limits.wait_s, limits.output_bytes

    def json(self) -> Any:
        """Its next message, which must be plain data. Raises ChildStoppedError."""
        message = self.next()
        if not isinstance(message, bytes):
            raise self._stopped(Reason.CRASH, "it did not say what it found")
        return self._plain(message)

    def next(self) -> bytes | bytearray | None:
        """The next message: JSON as bytes, bytes as a bytearray, None at the end.

        Raises:
            ChildStoppedError: it crashed, or reached a limit.
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
        raise self._gave_up(bytes(content))

    def allow(self, output_bytes: int) -> None:
        """Take so many bytes more of it."""
        self._left_bytes += output_bytes

    def close(self) -> None:
        """End it if it still lives."""
        self._way.close()
        if self._status >= 0:
            os.close(self._status)
            self._status = -1

    def _read(self, size: int) -> bytearray:
        content = bytearray(size)
        view = memoryview(content)
        while view:
            taken = self._take(view)
            if taken == 0:
                raise self._ended()
            view = view[taken:]
        return content

    def _take(self, view: memoryview) -> int:
        """Some of what it says, as many bytes as came; 0 at its end."""
        while True:
            wait_s = self._left_s
            if self._check is not None:
                self._check()
                wait_s = min(wait_s, LOOK_S)
            began_s = time.monotonic()
            self._way.settimeout(max(wait_s, 0.001))
            try:
                return self._way.recv_into(view)
            except TimeoutError:
                pass
            except OSError:
                return 0
            finally:
                self._left_s -= time.monotonic() - began_s
            if self._left_s <= 0:
                raise self._stopped(Reason.TIME)

    def _ended(self) -> ChildStoppedError:
        """Why it ended in the middle of its work."""
        if not select.select([self._status], [], [], max(self._left_s, 0.001))[0]:
            return self._stopped(Reason.TIME)
        told = os.read(self._status, STATUS.size)
        if len(told) < STATUS.size or not os.WIFSIGNALED(status := STATUS.unpack(told)[0]):
            return self._stopped(Reason.CRASH)
        number = os.WTERMSIG(status)
        if number == signal.SIGXCPU:
            return self._stopped(Reason.CPU)
        return self._stopped(Reason.CRASH, signal.Signals(number).name)

    def _gave_up(self, told: bytes) -> ChildStoppedError:
        """Why it says itself that it cannot go on."""
        says = self._plain(told)
        memory = isinstance(says, dict) and says.get("reason") == Reason.MEMORY
        detail = says.get("detail", "") if isinstance(says, dict) else ""
        return self._stopped(Reason.MEMORY if memory else Reason.CRASH, str(detail))

    def _plain(self, text: bytes) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self._stopped(Reason.CRASH, "what it says is no JSON") from error

    def _stopped(self, reason: Reason, detail: str = "") -> ChildStoppedError:
        limits = self._limits
        says = {
            Reason.MEMORY: f"needs more than {limits.memory_bytes // MIB:,} MiB of memory",
            Reason.CPU: f"needs more than {limits.cpu_s} s of processor time",
            Reason.TIME: f"needs more than {limits.wait_s:g} s",
            Reason.OUTPUT: "gives more than the file may hold",
            Reason.CRASH: "crashed" + (f" ({detail})" if detail else ""),
        }
        return ChildStoppedError(reason, says[reason])


@contextmanager
def _opened(file: Path | bytes) -> Iterator[BinaryIO]:
    if isinstance(file, Path):
        with open(file, "rb", buffering=0) as opened:
            yield opened
        return
    with tempfile.TemporaryFile(buffering=0) as stream:
        stream.write(file)
        stream.seek(0)
        yield stream
