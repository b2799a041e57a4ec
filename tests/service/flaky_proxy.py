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
class FlakyProxy:
    """A proxy that forwards bytes in both directions.

    Attributes:
        url: URL of the proxy.
        upstream: port of the server.
        cuts: bytes of the response after which each of the next connections breaks.
        lose_request: the next request with these bytes breaks instead of getting its response.
        no_streams: answer 502 to event streams.
        connections: number of connections so far.
    """

    url: str
    upstream: int
    cuts: deque[int] = field(default_factory=deque)
    lose_request: bytes | None = None
    no_streams: bool = False
    connections: int = 0

    def serve(self, caller: socket.socket) -> None:
        """Forward one connection until a side closes it or it is broken."""
        self.connections += 1
        remaining = self.cuts.popleft() if self.cuts else None
        request = caller.recv(65536)
        if self.no_streams and b"/events " in request.split(b"\r\n")[0]:
            caller.sendall(BAD_GATEWAY)
            return
        with socket.create_connection(("127.0.0.1", self.upstream)) as server:
            server.sendall(request)
            lost = threading.Event()
            back = threading.Thread(target=self.forward_request, args=(caller, server, lost))
            back.start()
            forward(server, caller, remaining, lost)
            for side in (caller, server):
                with suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)
            back.join()

    def forward_request(
        self, caller: socket.socket, server: socket.socket, lost: threading.Event
    ) -> None:
        """Copy the caller's requests; set `lost` before one that gets no response."""
        with suppress(OSError):
            while data := caller.recv(65536):
                if self.lose_request is not None and self.lose_request in data:
                    self.lose_request = None
                    lost.set()
                server.sendall(data)


def forward(
    source: socket.socket, target: socket.socket, remaining: int | None, lost: threading.Event
) -> None:
    """Copy bytes until the source ends, the limit is reached, or `lost` is set."""
    with suppress(OSError):
        while (data := source.recv(65536)) and not lost.is_set():
            target.sendall(data[:remaining])
            if remaining is not None and (remaining := remaining - len(data)) <= 0:
                return


@contextmanager
def flaky_proxy(upstream: int) -> Iterator[FlakyProxy]:
    """Run the proxy for the length of a `with` block."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            proxy.serve(self.request)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        proxy = FlakyProxy(f"http://127.0.0.1:{server.server_address[1]}", upstream)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
