"""The parent's side of one child: requests, answers and limits."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from sandbox.errors import ChildStoppedError, Reason
from sandbox.limits import MIB, ChildLimits
from sandbox.wire import HEAD, Kind
from sandbox.zygote import STATUS

# How often a waiting parent calls `check`.
CHECK_S = 0.02

# A file, by path or content, and the argument for it: JSON-serializable data.
Call = tuple[Path | bytes, Any]


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
