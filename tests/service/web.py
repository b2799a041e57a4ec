"""A web server with configurable responses, for URLs that callers give."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.servers import GUARD_S

# Values of `Location` that no request may follow.
INVALID_LOCATIONS = (
    "http://[",
    "http://[::1",
    "http://]/",
    "http://[v1.x]/",
    "http://",
    "http:///path",
    "//",
    "//:1",
    "///",
    "http://a:99999/",
    "http://a:port/",
    "http://a:-1/",
    "http://a..b/",
    "http://xn--/",
    "http://xn--zz-/",
    "http://\xe2\x84\x80/",  # UTF-8 of a character that Unicode resolves to a/c
    f"http://{'a' * 70}.example/",
    "http://a\tb/",
    "http://a b/",
    "http://a\x01b/",
    "http://user:x@a/",
    "http://@a/",
    "http://127.0.0.1\\@a/",
    "ftp://a/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "data:,x",
)


@dataclass
class Web:
    """The responses of the server by path, with its query or without, as status, headers and body.

    Attributes:
        blocked_path: its response waits until `release` is set; its request sets `blocked_request`.
    """

    url: str = ""
    pages: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    blocked_path: str = ""
    blocked_request: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    requests: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    cookies: list[str | None] = field(default_factory=list)

    def page(
        self, path: str, body: bytes, status: int = 200, headers: dict[str, str] | None = None
    ) -> str:
        """Set the response of a path; return its URL."""
        self.pages[path] = (status, headers or {}, body)
        return f"{self.url}{path}"


@contextmanager
def web_server(address: str = "127.0.0.1") -> Iterator[Web]:
    """Run the server for the length of a `with` block, on any address of 127.0.0.0/8."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            web.requests.append(self.path)
            web.hosts.append(self.headers["host"])
            web.keys.append(self.headers["authorization"])
            web.cookies.append(self.headers["cookie"])
            if self.path == web.blocked_path:
                web.blocked_request.set()
                web.release.wait(GUARD_S)
            found = web.pages.get(self.path) or web.pages.get(self.path.split("?")[0])
            status, headers, body = found or (404, {}, b"")
            try:
                self._answer(status, headers, body)
            except OSError:
                pass  # the service closed the connection early

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *words: object) -> None:
            pass

    with ThreadingHTTPServer((address, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        web.url = f"http://{address}:{server.server_address[1]}"
        try:
            yield web
        finally:
            web.release.set()
            server.shutdown()
            thread.join()
