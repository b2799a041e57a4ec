"""Body size limits, and authentication before a body is read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message

from service.api.app import create_app
from service.api.middleware.body_limit import BodyLimitMiddleware
from service.api.problems import add_handlers
from service.contract.requests import UploadRequest
from service.settings import Settings
from service.stores.job_store.store import JobStore
from service.submission.receive import MAX_JSON_BYTES
from tests.service.api_keys import new_key

CHUNK = b" " * 10_000
FORM = "multipart/form-data; boundary=b"


@pytest.fixture
def http(folder_settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(folder_settings)) as client:
        yield client


class Sent:
    """A request without a Content-Length, sent directly to an app, and its response.

    Attributes:
        taken: number of chunks that the app read.
    """

    def __init__(self, path: str, chunks: Iterable[bytes], kind: str = "application/json") -> None:
        self.taken = 0
        self.answer: list[Message] = []
        self._path, self._kind, self._chunks = path, kind, iter(chunks)

    async def to(self, app: ASGIApp) -> Self:
        scope: dict[str, Any] = {
            "type": "http",
            "method": "POST",
            "path": self._path,
            "query_string": b"",
        }
        scope |= {"scheme": "http", "server": ("127.0.0.1", 80), "root_path": "", "client": None}
        scope |= {"headers": [(b"content-type", self._kind.encode())], "asgi": {"version": "3.0"}}
        await app(scope, self._receive, self._send)
        return self

    async def _receive(self) -> Message:
        chunk = next(self._chunks, None)
        self.taken += chunk is not None
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    async def _send(self, message: Message) -> None:
        self.answer.append(message)

    @property
    def refusal(self) -> tuple[int, str]:
        """Status and code of the problem response."""
        start, body = self.answer
        return start["status"], json.loads(body["body"])["code"]


def test_body_parsed_by_fastapi_is_not_read_beyond_the_limit() -> None:
    app = FastAPI()

    @app.post("/parsed")
    async def parsed(body: UploadRequest) -> None:
        raise AssertionError("the body is too long to come here")

    add_handlers(app)
    app.add_middleware(BodyLimitMiddleware, streamed=[])
    sent = asyncio.run(Sent("/parsed", [CHUNK] * 100).to(app))
    assert sent.refusal == (413, "body_too_large")
    assert sent.taken == MAX_JSON_BYTES // len(CHUNK) + 1


def test_no_route_lets_fastapi_parse_its_body(http: TestClient) -> None:
    """FastAPI would read it before the caller is authenticated."""
    app = http.app
    assert isinstance(app, FastAPI)
    parsed = [route for route in app.routes if getattr(route, "body_field", None) is not None]
    assert parsed == []


@pytest.mark.parametrize("path", ["/animate", "/poses", "/uploads"])
def test_request_without_a_key_is_refused_before_its_body_is_read(
    http: TestClient, jobs: JobStore, path: str
) -> None:
    new_key(jobs, "ann")
    sent = send(http, Sent(path, [CHUNK] * 100))
    assert (sent.refusal, sent.taken) == ((401, "unauthorized"), 0)


def send(http: TestClient, sent: Sent) -> Sent:
    """Send it to the client's app, in the app's event loop."""
    assert http.portal is not None
    return http.portal.call(sent.to, http.app)


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b'{"max_bytes": 0}', "application/json", "invalid_request"),
        (b'{"max_bytes": "5"}', "application/json", "invalid_request"),
        (b"{", "application/json", "invalid_request"),
        (b'{"max_bytes": 5}', "text/plain", "unsupported_media_type"),
        (b" " * (MAX_JSON_BYTES + 1), "application/json", "body_too_large"),
    ],
)
def test_invalid_upload_request_is_refused(
    http: TestClient, body: bytes, kind: str, code: str
) -> None:
    answer = http.post("/uploads", content=body, headers={"Content-Type": kind})
    assert answer.json()["code"] == code, answer.text


def test_forged_form_is_refused_before_anything_is_written(
    http: TestClient, folder_settings: Settings
) -> None:
    """The response comes with the file's first bytes, and no folder was created for it."""
    fields = {"key": "uploads/x/file", "max_bytes": "9", "expires": "9", "signature": "0"}
    spool, seen = folder_settings.spool_folder, list[Path]()
    for order in ([*fields, "file"], ["file", *fields], [*list(fields)[:3], "file", "signature"]):
        parts = [(name, fields.get(name)) for name in order]
        sent = Sent("/objects", form(parts, lambda: seen.extend(spool.iterdir())), FORM)
        assert send(http, sent).refusal == (403, "invalid_signature")
        assert (seen, sent.taken < 20) == ([], True), order


def form(parts: list[tuple[str, str | None]], look: Callable[[], None]) -> Iterator[bytes]:
    """Yield the body of a form in chunks; a part without a value is a file of 2 MB."""
    for name, value in parts:
        yield f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
        for _ in range(1 if value else 20):
            look()
            yield (value or "x" * 100_000).encode()
        yield b"\r\n"
    yield b"--b--\r\n"


def test_empty_file_and_too_large_file_have_different_errors(http: TestClient) -> None:
    made = http.post("/uploads", json={"max_bytes": 9}).json()
    assert fill(http, made, b"")["code"] == "invalid_request"
    assert fill(http, made, b"x" * 10)["code"] == "body_too_large"
    assert fill(http, made, b"x" * 9) == {}


def fill(http: TestClient, made: Mapping[str, Any], content: bytes) -> dict[str, Any]:
    """Send a form; return the problem, or nothing when it was accepted."""
    answer = http.post(made["url"], data=made["fields"], files={"file": ("f", content)})
    problem: dict[str, Any] = {} if answer.status_code == 204 else answer.json()
    return problem
