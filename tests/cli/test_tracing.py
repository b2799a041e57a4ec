"""One trace of a job through gateway and worker, at a real OTLP receiver."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests import samples
from tests.cli.conftest import StartUp, Up
from tests.servers import GUARD_S, wait_until

pytestmark = pytest.mark.e2e

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Span(NamedTuple):
    """A span as the collector got it."""

    service: str
    name: str
    trace: str


@pytest.fixture
def collector() -> Iterator[tuple[str, list[Span]]]:
    """The address of an OTLP receiver, and the spans that it got."""
    spans: list[Span] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            spans.extend(read_spans(body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing goes to the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1/traces", spans
    server.shutdown()
    server.server_close()
    thread.join()


def read_spans(body: bytes) -> Iterator[Span]:
    """Iterate over the spans of an export."""
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        names = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(names["service.name"], span.name, span.trace_id.hex())


def lines(up: Up, part: str, word: str) -> list[dict[str, Any]]:
    """Return the log lines of a part of the service that contain the word."""
    text = (up.data / "logs" / f"{part}.log").read_text()
    return [json.loads(line) for line in text.splitlines() if line.startswith("{") and word in line]


@pytest.mark.long
def test_one_trace_joins_gateway_and_worker(
    collector: tuple[str, list[Span]],
    start_up: StartUp,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    endpoint, spans = collector
    monkeypatch.setenv("TCAN_OTLP_ENDPOINT", endpoint)
    up = start_up()
    driving = samples.video(tmp_path)
    parts = {"image": ("i.png", samples.png()), "driving": ("d.mp4", driving)}
    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "X-Request-Id": "my-request"}
    answer = httpx.post(f"{up.url}/animate", files=parts, headers=headers, timeout=GUARD_S)
    assert (answer.status_code, answer.headers["x-request-id"]) == (202, "my-request")
    expected = {
        ("tcan-gateway", "POST /animate"),
        ("tcan-worker", "prepare"),
        ("tcan-worker", "render"),
    }

    def joined() -> bool:
        return {(span.service, span.name) for span in spans if span.trace == TRACE} >= expected

    wait_until(joined, "all parts of the trace arrive")
    job_id = answer.json()["id"]
    [noted] = lines(up, "gateway", '"/animate"')
    assert (noted["request_id"], noted["status"]) == ("my-request", 202)
    assert (noted["job_id"], noted["trace_id"]) == (job_id, TRACE)
    worked = lines(up, "worker", job_id)
    assert {line["request_id"] for line in worked if line.get("job_id") == job_id} == {"my-request"}
    assert httpx.post(f"{up.url}/jobs/{job_id}/cancel", timeout=GUARD_S).status_code == 200
    assert httpx.post(f"{up.url}/jobs/unknown/cancel", timeout=GUARD_S).status_code == 404
    canceled, unknown = lines(up, "gateway", "/cancel")
    assert (canceled["job_id"], unknown.get("job_id")) == (job_id, None)
