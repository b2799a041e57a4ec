"""A fake of the Hugging Face hub over HTTP: revisions, digests, ranges, broken transfers."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_RESOLVE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")


@dataclass
class Hub:
    """The files of the server and the recorded requests.

    Attributes:
        files: content by (repository, commit, file).
        heads: the commit of `main`, by repository.
        cut_after: bytes after which the next transfer breaks.
        down_for: number of transfers after it that get status 500.
        damaged: send content that does not match the digest.
        ranges: the `Range` header of each transfer, or "".
        requests: (repository, revision, file) of each transfer.
    """

    url: str = ""
    files: dict[tuple[str, str, str], bytes | memoryview] = field(default_factory=dict)
    heads: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    down_for: int = 0
    damaged: bool = False
    ranges: list[str] = field(default_factory=list)
    requests: list[tuple[str, str, str]] = field(default_factory=list)

    def put(self, repo: str, file: str, content: bytes | memoryview, commit: str) -> str:
        """Add a file at a commit that becomes `main`, and return its sha256."""
        self.files[repo, commit, file] = content
        self.heads[repo] = commit
        return hashlib.sha256(content).hexdigest()


@contextmanager
def hub_server() -> Iterator[Hub]:
    """Serve a hub on the loopback interface."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            match = _RESOLVE.fullmatch(self.path)
            hub.ranges.append(self.headers.get("Range", ""))
            hub.requests.append(match.group("repo", "revision", "file") if match else ("", "", ""))  # type: ignore[arg-type]
            if hub.cut_after is None and hub.down_for:
                hub.down_for -= 1
                self._refuse(500)
                return
            self._answer(with_body=True)

        def _answer(self, with_body: bool) -> None:
            match = _RESOLVE.fullmatch(self.path)
            repo, revision, file = match.groups() if match else ("", "", "")
            commit = hub.heads.get(repo, "") if revision == "main" else revision
            content = hub.files.get((repo, commit, file))
            if content is None:
                self._refuse(404)
                return
            range_match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            first = int(range_match.group(1)) if range_match else 0
            self.send_response(206 if range_match else 200)
            if range_match:
                self.send_header(
                    "Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}"
                )
            self.send_header("X-Repo-Commit", commit)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("Content-Length", str(len(content) - first))
            self.end_headers()
            if with_body:
                self._send(bytes(content[first:-1]) + b"?" if hub.damaged else content[first:])

        def _send(self, content: bytes | memoryview) -> None:
            if hub.cut_after is not None:
                content, hub.cut_after = content[: hub.cut_after], None
                self.close_connection = True
            self.wfile.write(content)

        def _refuse(self, status: int) -> None:
            self.send_response(status)
            if status == 404:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    return Handler
