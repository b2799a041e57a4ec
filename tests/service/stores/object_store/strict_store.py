"""A stand-in for S3 servers other than Amazon's: an HTTPS proxy before a real server.

It refuses what such servers lack: checksums in headers and trailers, and uploads by POST forms.
"""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from service.settings import Settings
from tests.servers import S3Server
from tests.service.tls_proxy import certificate

CHECKSUMS = ("x-amz-trailer", "x-amz-checksum", "x-amz-sdk-checksum")
ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>{}</Message></Error>"


class Refusal(NamedTuple):
    """An error response of S3."""

    status: int
    code: str


@dataclass
class StrictStore:
    """The proxy.

    Attributes:
        server: the store behind it, with the proxy's address.
        ca: its certificate, in a PEM file.
        refusal: the answer to every request, if any.
        refuses_head: whether HEAD gets that answer as well.
        accepts_forms: whether POST forms are forwarded.
        refused: what was refused so far.
    """

    server: S3Server
    ca: Path
    refusal: Refusal | None = None
    refuses_head: bool = True
    accepts_forms: bool = False
    refused: list[str] = field(default_factory=list)

    def settings(self, data: Path) -> Settings:
        """Return settings of a service that stores its objects here."""
        return self.server.settings(data).model_copy(update={"s3_ca": self.ca})

    def refusal_of(self, method: str, headers: Message) -> Refusal | None:
        """Return how a request is refused; None if it is forwarded."""
        names = {name.lower() for name in headers}
        has_checksum = any(name.startswith(CHECKSUMS) for name in names)
        if has_checksum or "aws-chunked" in headers.get("content-encoding", ""):
            self.refused.append("checksum")
            return Refusal(501, "NotImplemented")
        is_form = method == "POST" and "multipart/form-data" in headers.get("content-type", "")
        if is_form and not self.accepts_forms:
            self.refused.append("form")
            return Refusal(501, "NotImplemented")
        return self.refusal if method != "HEAD" or self.refuses_head else None


@contextmanager
def strict_store(upstream: S3Server, folder: Path) -> Iterator[StrictStore]:
    """Run the stand-in before a real server; `folder` gets its certificate."""
    chain, key = certificate(folder, "localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, key)
    address = urlsplit(upstream.endpoint_url).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            refusal = store.refusal_of(self.command, self.headers)
            if refusal is not None:
                text = ERROR.format(refusal.code, "not here").encode()
                self.answer(refusal.status, [("Content-Type", "application/xml")], text)
                return
            connection = http.client.HTTPConnection(address)
            # With the caller's Host header, which its signature contains.
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            content = response.read()
            self.answer(response.status, response.getheaders(), content)
            connection.close()

        def answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                    self.send_header(name, value)
            is_head = self.command == "HEAD"
            lengths = [value for name, value in headers if name.lower() == "content-length"]
            self.send_header(
                "Content-Length", lengths[0] if is_head and lengths else str(len(content))
            )
            self.end_headers()
            self.wfile.write(b"" if is_head else content)

        def log_message(self, format: str, *values: object) -> None:
            """Print nothing."""

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as proxy:
        proxy.daemon_threads = True
        proxy.socket = context.wrap_socket(proxy.socket, server_side=True)
        url = f"https://localhost:{proxy.server_address[1]}"
        store = StrictStore(
            S3Server(url, upstream.bucket, upstream.access_key, upstream.secret_key), chain
        )
        thread = threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield store
        finally:
            proxy.shutdown()
            thread.join()
