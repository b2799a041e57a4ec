"""What children of the tests do, good and bad."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any, BinaryIO

from sandbox.wire import Kind, MessageWriter

OTHER_FILE = "/etc/hostname"


def load() -> None:
    """Nothing to load."""


def tell(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Its file, its argument and its environment."""
    out.json({"file": file.read().decode(), "argument": argument, "names": sorted(os.environ)})


def refused(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Which of the things that a taken-over decoder would do are refused, and which are not."""
    attempts: dict[str, Callable[[], object]] = {
        "open a file": lambda: open(OTHER_FILE),
        "write a file": lambda: open(argument["path"], "w"),
        "remove a file": lambda: os.unlink(argument["path"]),
        "make a socket": socket.socket,
        "start a program": lambda: subprocess.run(["/bin/true"], check=False),
        "fork": os.fork,
        "kill the parent": lambda: os.kill(argument["parent"], 0),
        "read the parent's memory": lambda: open(f"/proc/{argument['parent']}/mem", "rb"),
        "start a thread": _thread,
    }
    out.json({name: _fails(attempt) for name, attempt in attempts.items()})


def call(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Make system calls by their numbers, past all libraries; the error number of each, or 0.

    Args:
        argument: a list of (number, arguments); numbers stay so, text becomes a C string, a list
            of numbers an array of 64 bits.
    """
    system = ctypes.CDLL(None, use_errno=True)
    ended = []
    for number, arguments in argument:
        failed = system.syscall(ctypes.c_long(number), *map(_c_value, arguments)) == -1
        ended.append(ctypes.get_errno() if failed else 0)
    out.json(ended)


def abort(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """End as C libraries do when they find their memory damaged."""
    os.abort()


def hog(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Take memory without an end."""
    taken = []
    while True:
        taken.append(bytearray(16 * 1024 * 1024))


def spin(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Compute without an end."""
    while True:
        pass


def hang(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Do nothing for a long time."""
    time.sleep(600)


def flood(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Send without an end."""
    while True:
        out.json("x" * 10_000)


def crash(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Touch memory that is not there."""
    ctypes.string_at(8)


def fail(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Raise what nobody foresaw."""
    raise LookupError("not foreseen")


def leave(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """End without a word."""
    os._exit(0)


def babble(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Say what is no JSON."""
    out.send(Kind.JSON, b"[" * 50_000)


def write_on(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Say where it lives, then do nothing."""
    out.json(os.getpid())
    time.sleep(600)


def _c_value(value: int | str | list[int]) -> Any:
    if isinstance(value, list):
        return (ctypes.c_uint64 * len(value))(*value)
    return ctypes.c_char_p(value.encode()) if isinstance(value, str) else ctypes.c_long(value)


def _thread() -> None:
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()


def _fails(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except PermissionError:
        return True
    return False
