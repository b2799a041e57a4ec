"""A TCP proxy that breaks connections on demand."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer

BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass
class FlakyLine:
    """Forwards bytes in both directions.

    Attributes:
        url: where it listens.
        upstream: port of the server behind it.
        cuts: after how many bytes of an answer the next connections break, one after the other.
        loses: the next connection to ask with these bytes breaks in the place of its answer.
        no_streams: answers 502 in the place of streams of events.
        connections: how many there were.
    """

    url: str
    upstream: int
    cuts: deque[int] = field(default_factory=deque)
    loses: bytes | None = None
    no_streams: bool = False
    connections: int = 0

    def serve(self, caller: socket.socket) -> None:
        """Forward one connection until a side closes it or it is broken."""
        self.connections += 1
        left = self.cuts.popleft() if self.cuts else None
        request = caller.recv(65536)
        if self.no_streams and b"/events " in request.split(b"\r\n")[0]:
            caller.sendall(BAD_GATEWAY)
            return
        with socket.create_connection(("127.0.0.1", self.upstream)) as server:
            server.sendall(request)
            lost = threading.Event()
            back = threading.Thread(target=self.ask, args=(caller, server, lost))
            back.start()
            pass_on(server, caller, left, lost)
            for side in (caller, server):
                with suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)
            back.join()

    def ask(self, caller: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        """Copy the caller's requests; set `lost` before one that gets no response."""
        with suppress(OSError):
            while data := caller.recv(65536):
                if self.loses is not None and self.loses in data:
                    self.loses = None
                    lost.set()
                server.sendall(data)


def pass_on(
    source: socket.socket, target: socket.socket, left: int | None, lost: threading.Event
) -> None:
    """Copy bytes until the source ends, the limit is reached, or `lost` is set."""
    with suppress(OSError):
        while (data := source.recv(65536)) and not lost.is_set():
            target.sendall(data[:left])
            if left is not None and (left := left - len(data)) <= 0:
                return


@contextmanager
def flaky_line(upstream: int) -> Iterator[FlakyLine]:
    """Run the proxy for the length of a `with` block."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            line.serve(self.request)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        line = FlakyLine(f"http://127.0.0.1:{server.server_address[1]}", upstream)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield line
        finally:
            server.shutdown()
            thread.join()
