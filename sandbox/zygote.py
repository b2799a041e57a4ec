"""The process that forks: it has loaded the decoders and nothing else, and never sees a file.

`python -m sandbox.zygote FD MODULE...` takes requests from the socket FD, each as JSON with three
descriptors: the file, the child's way to the parent, and one on which the zygote tells how the
child ended. A parent that closes its end of the last one wants the child ended; one that closes
the socket, or dies, wants all of them ended.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, BinaryIO, NoReturn

from sandbox.confine import confine
from sandbox.errors import Reason
from sandbox.limits import ChildLimits
from sandbox.wire import Kind, MessageWriter

MOST_REQUEST_BYTES = 8192
STATUS = struct.Struct("<i")
READY = b"\1"

Target = Callable[[BinaryIO, Any, MessageWriter], None]


class Zygote:
    """Forks a child for each request, and tells how each ended.

    Args:
        control: the socket on which requests come.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, int] = {}  # status descriptor of each process
        self._woken, self._wake = os.pipe()
        for end in (self._woken, self._wake):
            os.set_blocking(end, False)

    def serve(self) -> None:
        """Serve until the parent closes the socket."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake)
        while self._turn():
            pass
        for process in self._children:
            os.kill(process, signal.SIGKILL)

    def _turn(self) -> bool:
        """Wait for a request, a child's end or a parent that hangs up; False at the end."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        by_status = {status: process for process, status in self._children.items()}
        for status in by_status:
            poll.register(status, 0)
        ready = {descriptor for descriptor, _ in poll.poll()}
        for status in ready & set(by_status):
            os.kill(by_status[status], signal.SIGKILL)
        if self._woken in ready:
            os.read(self._woken, 512)
        self._bury()
        return self._control.fileno() not in ready or self._take()

    def _bury(self) -> None:
        """Tell how children ended."""
        while self._children:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                return
            told = self._children.pop(process)
            try:
                os.write(told, STATUS.pack(status))
            except BrokenPipeError:
                pass  # nobody wants to know any more
            os.close(told)

    def _take(self) -> bool:
        request, descriptors, _, _ = socket.recv_fds(self._control, MOST_REQUEST_BYTES, 3)
        if not request:
            return False
        file, way, status = descriptors
        try:
            process = os.fork()
        except OSError:
            process = -1
        if process == 0:
            os.close(status)
            _live(json.loads(request), file, way)
        os.close(file)
        os.close(way)
        if process < 0:
            os.close(status)
        else:
            self._children[process] = status
        self._control.sendall(READY)
        return True


def _live(request: dict[str, Any], file: int, way: int) -> NoReturn:
    """All of a child's life."""
    out, code = MessageWriter(way), 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _keep_only(file, way)
        module, _, name = request["target"].partition(":")
        target: Target = getattr(sys.modules[module], name)
        confine(ChildLimits(**request["limits"]))
        with open(file, "rb", buffering=0) as stream:
            target(stream, request["argument"], out)
        out.send(Kind.END)
        code = 0
    except MemoryError:
        out.send(Kind.STOPPED, json.dumps({"reason": Reason.MEMORY}).encode())
    except BrokenPipeError:
        pass  # the parent has seen enough
    except BaseException as error:
        # Its text may name paths of this machine; what is told goes to the caller.
        told = {"reason": Reason.CRASH, "detail": type(error).__name__}
        out.send(Kind.STOPPED, json.dumps(told).encode())
    finally:
        os._exit(code)


def _keep_only(*kept: int) -> None:
    """Close all other descriptors; the standard ones lead nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nowhere, standard)
    first = 3
    for descriptor in (*sorted(kept), 1 << 16):
        os.closerange(first, descriptor)
        first = descriptor + 1


def main(arguments: list[str]) -> None:
    """Load the modules and serve."""
    control = socket.socket(fileno=int(arguments[0]))
    for module in arguments[1:]:
        import_module(module).load()
    gc.freeze()  # a collection in a child would copy the pages that all share
    Zygote(control).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
