"""A receiver of webhooks: an HTTP server with configurable responses that records requests."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from tests.servers import GUARD_S


class Message(NamedTuple):
    """A received request; `port` is the sender's."""

    headers: dict[str, str]
    body: bytes
    port: int

    @property
    def id(self) -> str:
        """Header `webhook-id`."""
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """A receiver that responds with the first of `answers` (status and headers), or 200.

    Attributes:
        answers_now: while it is not set, requests are recorded, but not answered.
    """

    port: int
    answers_now: threading.Event = field(default_factory=threading.Event)
    answers: deque[tuple[int, dict[str, str]]] = field(default_factory=deque)
    messages: list[Message] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The receiver's URL."""
        return f"http://127.0.0.1:{self.port}/hook"

    def next_answers(self, *statuses: int, **headers: str) -> None:
        """Set the next responses; `_` in a header's name becomes `-`."""
        values = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.extend((status, values) for status in statuses)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # messages that come at once are not refused


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    """Run a receiver on a loopback port, by default a free one."""
    server = _Server(("127.0.0.1", port), _handler())
    receiver = Receiver(server.server_address[1])
    receiver.answers_now.set()
    server.receiver = receiver  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.answers_now.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def dripping() -> Iterator[str]:
    """Run a receiver whose response comes byte by byte and never ends; yield its URL."""
    closing = threading.Event()

    class Drip(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            connection: socket.socket = self.request
            with suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nx-drip: ")
                while not closing.wait(0.05):
                    connection.sendall(b"x")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Drip) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/hook"
        finally:
            closing.set()
            server.shutdown()
            thread.join()


def _handler() -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # a sender may keep its connection

        def do_POST(self) -> None:
            receiver: Receiver = self.server.receiver  # type: ignore[attr-defined]
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.messages.append(Message(headers, body, self.client_address[1]))
            receiver.answers_now.wait(GUARD_S)
            status, extra = receiver.answers.popleft() if receiver.answers else (200, {})
            with suppress(OSError):  # the sender did not wait
                self.send_response(status)
                for name, value in extra.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            """Log nothing."""

    return Handler
