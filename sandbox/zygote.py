"""The process that forks children; it has loaded the decoders and never reads a file.

`python -m sandbox.zygote FD MODULE...` forks a child for each message on the socket FD: JSON with
two descriptors, a pipe to which the zygote writes the child's exit status, and the child's channel
to its parent. A parent closes its end of the pipe to stop the child; it closes the socket, or dies,
to stop all of them.

The child answers the requests on its channel, one after the other, until the parent closes it.
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

from sandbox.confine import Confinement
from sandbox.errors import Reason
from sandbox.limits import ChildLimits
from sandbox.wire import Kind, MessageWriter

MAX_REQUEST_BYTES = 8192
MAX_FILES = 8
STATUS = struct.Struct("<i")
READY = b"\1"

Target = Callable[[BinaryIO, Any, MessageWriter], None]


class Zygote:
    """The server that forks a child for each request and reports its exit status.

    Args:
        control: socket that delivers the requests.
    """

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._confinement = Confinement()
        self._children: dict[int, int] = {}  # process id -> status descriptor
        self._wakeup_read, self._wakeup_write = os.pipe()
        for end in (self._wakeup_read, self._wakeup_write):
            os.set_blocking(end, False)

    def serve(self) -> None:
        """Serve until the parent closes the socket."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wakeup_write)
        while self._handle_events():
            pass
        for process in self._children:
            os.kill(process, signal.SIGKILL)

    def _handle_events(self) -> bool:
        """Wait for requests, exits of children and closed pipes; return False at the end."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wakeup_read, select.POLLIN)
        by_status = {status: process for process, status in self._children.items()}
        for status in by_status:
            poll.register(status, 0)
        ready = {descriptor for descriptor, _ in poll.poll()}
        for status in ready & set(by_status):
            os.kill(by_status[status], signal.SIGKILL)
        if self._wakeup_read in ready:
            os.read(self._wakeup_read, 512)
        self._reap()
        return self._control.fileno() not in ready or self._accept()

    def _reap(self) -> None:
        """Report the exit status of children that have exited."""
        while self._children:
            process, status = os.waitpid(-1, os.WNOHANG)
            if process == 0:
                return
            status_pipe = self._children.pop(process)
            try:
                os.write(status_pipe, STATUS.pack(status))
            except BrokenPipeError:
                pass  # the parent has closed it
            os.close(status_pipe)

    def _accept(self) -> bool:
        content, descriptors, _, _ = socket.recv_fds(self._control, MAX_REQUEST_BYTES, 2)
        if not content:
            return False
        status, channel = descriptors
        try:
            process = os.fork()
        except OSError:
            process = -1
        if process == 0:
            os.close(status)
            _run_child(self._confinement, **json.loads(content), channel=channel)
        os.close(channel)
        if process < 0:
            os.close(status)
        else:
            self._children[process] = status
        self._control.sendall(READY)
        return True


def _run_child(
    confinement: Confinement, target: str, limits: dict[str, Any], channel: int
) -> NoReturn:
    """Answer requests in this child until the parent closes the channel, then exit."""
    out, code = MessageWriter(channel), 1
    try:
        signal.set_wakeup_fd(-1)
        _keep_only(channel)
        module, _, name = target.partition(":")
        function: Target = getattr(sys.modules[module], name)
        requests = socket.socket(fileno=channel)
        confinement.confine(ChildLimits(**limits))
        while _answer(requests, function, out):
            pass
        code = 0
    except MemoryError:
        out.send(Kind.STOPPED, json.dumps({"reason": Reason.MEMORY}).encode())
    except BrokenPipeError:
        pass  # the parent has closed the channel
    except BaseException as error:
        # The error's message may contain paths of this machine, and the report goes to the caller.
        report = {"reason": Reason.CRASH, "detail": type(error).__name__}
        out.send(Kind.STOPPED, json.dumps(report).encode())
    finally:
        os._exit(code)


def _answer(requests: socket.socket, function: Target, out: MessageWriter) -> bool:
    """Call the function on each file of the next request; return False when there is none."""
    arguments, files, _, _ = socket.recv_fds(requests, MAX_REQUEST_BYTES, MAX_FILES)
    if not arguments:
        return False
    for file, argument in zip(files, json.loads(arguments), strict=True):
        with open(file, "rb", buffering=0) as stream:
            function(stream, argument, out)
    out.send(Kind.END)
    return True


def _keep_only(kept: int) -> None:
    """Close all other descriptors; connect the standard ones to /dev/null."""
    devnull = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(devnull, standard)
    os.closerange(3, kept)
    os.closerange(kept + 1, 1 << 16)


def main(arguments: list[str]) -> None:
    """Import the modules and serve requests."""
    control = socket.socket(fileno=int(arguments[0]))
    for module in arguments[1:]:
        import_module(module).load()
    gc.freeze()  # garbage collection in a child would copy the shared pages
    Zygote(control).serve()


if __name__ == "__main__":
    main(sys.argv[1:])
