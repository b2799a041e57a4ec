"""A line to a server whose answers come late, or not at all: a TCP proxy on a port of its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer

LONGEST_S = 120.0


@dataclass
class SlowLine:
    """Passes bytes on in both directions.

    Attributes:
        port: where it listens.
        delay_s: how late each piece of an answer comes.
        open: cleared while no answer comes at all.
        answers: pieces of answers that came so far.
    """

    port: int
    upstream: int
    delay_s: float = 0.0
    open: threading.Event = field(default_factory=threading.Event)
    answers: int = 0

    def serve(self, caller: socket.socket) -> None:
        """Pass one connection on until one side ends it."""
        with socket.create_connection(("127.0.0.1", self.upstream)) as server:
            back = threading.Thread(target=self._pass, args=(caller, server, False), daemon=True)
            back.start()
            self._pass(server, caller, True)
            for side in (caller, server):
                with suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)
            back.join()

    def _pass(self, source: socket.socket, target: socket.socket, slowly: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if slowly:
                    threading.Event().wait(self.delay_s)
                    self.open.wait(LONGEST_S)
                    self.answers += 1
                target.sendall(data)


@contextmanager
def slow_line(upstream: int) -> Iterator[SlowLine]:
    """Open the line, without delay, until the `with` block ends."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            line.serve(self.request)

    class Server(ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        line = SlowLine(server.server_address[1], upstream)
        line.open.set()
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield line
        finally:
            line.open.set()
            server.shutdown()
            thread.join()
