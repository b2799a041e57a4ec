"""Functions that the tests' children run, most of them badly behaved."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO

from sandbox.wire import Kind, MessageWriter

OTHER_FILE = "/etc/hostname"


def load() -> None:
    """Load nothing."""


def report(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Report the file, the argument, the process, its descriptors and its environment's names."""
    answer = {"file": file.read().decode(), "argument": argument, "process": os.getpid()}
    out.json(answer | {"names": sorted(os.environ), "open": _open_descriptors()})


def attack(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Try what a compromised decoder would try, and report which attempts are refused."""
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
    """Make system calls by number, without libraries; report each error number, or 0.

    Args:
        argument: a list of (number, arguments); a text becomes a C string, a list of numbers an
            array of 64-bit integers.
    """
    system = ctypes.CDLL(None, use_errno=True)
    errors = []
    for number, arguments in argument:
        failed = system.syscall(ctypes.c_long(number), *map(_c_value, arguments)) == -1
        errors.append(ctypes.get_errno() if failed else 0)
    out.json(errors)


def abort(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Abort, as C libraries do when their memory is corrupt."""
    os.abort()


def hog(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Allocate memory forever."""
    blocks = []
    while True:
        blocks.append(bytearray(16 * 1024 * 1024))


def spin(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Compute forever."""
    while True:
        pass


def hang(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Do nothing for a long time."""
    time.sleep(600)


def flood(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Send messages forever."""
    while True:
        out.json("x" * 10_000)


def crash(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Read from an invalid address."""
    ctypes.string_at(8)


def fail(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Raise an unexpected exception."""
    raise LookupError("unexpected")


def leave(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Exit without a message."""
    os._exit(0)


def send_invalid_json(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Send invalid JSON."""
    out.send(Kind.JSON, b"[" * 50_000)


def answer_twice(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Send an answer of the gateway's decoder, and another one that was not requested."""
    for _ in range(2):
        accept(file, argument, out)


def accept(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Send a valid answer of the gateway's decoder, whatever the file is."""
    out.json({"suffix": ".webp", "frames": 7, "seconds": 1.0})


def refuse(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Refuse a file in the name of the gateway's decoder, with content of an earlier file."""
    out.json({"problem": "invalid", "detail": "stolen"})


def name_a_path(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Send a path of another caller's file as the format of this one."""
    out.json({"suffix": "/../../other/inputs/image.png"})


def count_backwards(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Send numbers that pass a quota."""
    out.json({"suffix": ".mp4", "frames": -100, "seconds": -4.0})


def report_process(file: BinaryIO, argument: Any, out: MessageWriter) -> None:
    """Report the process id, then do nothing."""
    out.json(os.getpid())
    time.sleep(600)


def _c_value(value: int | str | list[int]) -> Any:
    if isinstance(value, list):
        return (ctypes.c_uint64 * len(value))(*value)
    return ctypes.c_char_p(value.encode()) if isinstance(value, str) else ctypes.c_long(value)


def _open_descriptors() -> list[int]:
    found = []
    for descriptor in range(64):
        with suppress(OSError):
            os.fstat(descriptor)
            found.append(descriptor)
    return found


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
