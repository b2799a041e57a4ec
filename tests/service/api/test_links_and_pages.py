"""Links with the service's public URL, requests from web pages, HEAD, and the first page."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from service.api.app import create_app
from service.auth.anonymous_access import denial_reason
from service.errors import SettingsError
from service.settings import Settings, load_settings
from service.stores.job_store import commands
from service.stores.job_store.store import JobStore
from service.views.job_views import view_snapshot
from tests.servers import wait_until
from tests.service.api.test_api import submit
from tests.service.gateway import running_gateway
from tests.service.receiver import receiving

PUBLIC = "https://studio.example/tcan"
PAGE = "https://app.example"


@contextmanager
def gateway(settings: Settings, **changes: Any) -> Iterator[TestClient]:
    """Start a gateway with changed settings."""
    changed = Settings.model_validate({**settings.model_dump(), **changes})
    with TestClient(create_app(changed)) as client:
        yield client


def test_links_begin_with_the_public_url(
    folder_settings: Settings, jobs: JobStore, tmp_path: Path
) -> None:
    with gateway(folder_settings, public_url=f"{PUBLIC}/") as client:
        answer = submit(client, tmp_path)
        job_id, here = answer.json()["id"], f"{PUBLIC}/jobs/{answer.json()['id']}"
        assert answer.headers["location"] == here
        submit(client, tmp_path)
        for shown in (
            answer.json(),
            client.get(f"/jobs/{job_id}").json(),
            client.get("/jobs").json()["jobs"][1],
            client.post(f"/jobs/{job_id}/cancel").json(),
        ):
            assert shown["links"]["self"] == here
            assert shown["links"]["events"] == f"{here}/events"
        page = client.get("/jobs?limit=1").json()
        assert page["next"].startswith(f"{PUBLIC}/jobs?limit=1&cursor=")
        assert client.post("/uploads").json()["url"] == f"{PUBLIC}/objects"
        event = client.get(f"/jobs/{job_id}/events").text
        data = json.loads(event.split("data: ")[1].split("\n")[0])
        assert data["links"]["self"] == here
    snapshot = jobs.run(commands.read(job_id))
    assert snapshot is not None
    assert view_snapshot(snapshot).links.self == f"/jobs/{job_id}"


def test_links_in_webhooks_begin_with_the_public_url(
    folder_settings: Settings, tmp_path: Path
) -> None:
    with receiving() as receiver, gateway(folder_settings, public_url=PUBLIC) as client:
        options = json.dumps({"webhook": {"url": receiver.url}}).encode()
        job_id = submit(client, tmp_path, options=options).json()["id"]
        client.post(f"/jobs/{job_id}/cancel")
        wait_until(lambda: receiver.messages, "the message arrives")
    links = json.loads(receiver.messages[0].body)["data"]["links"]
    assert links["self"] == f"{PUBLIC}/jobs/{job_id}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TCAN_PUBLIC_URL", "studio.example"),
        ("TCAN_PUBLIC_URL", "https://studio.example/?x=1"),
        ("TCAN_CORS_ORIGINS", "app.example"),
        ("TCAN_CORS_ORIGINS", "https://app.example/page"),
    ],
)
def test_invalid_public_url_or_origin_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"{name}: .*must be like https://.*got '"):
        load_settings()


def test_pages_of_other_origins_are_allowed_by_name_only(
    folder_settings: Settings, client: TestClient, tmp_path: Path
) -> None:
    assert (
        "access-control-allow-origin" not in client.get("/jobs", headers={"Origin": PAGE}).headers
    )
    with gateway(folder_settings, cors_origins=f"{PAGE}, https://b.example") as client:
        asks = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
        asks |= {"Access-Control-Request-Headers": "authorization, idempotency-key, content-type"}
        allowed = client.options("/animate", headers=asks)
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, PAGE)
        files = {"image": b"", "driving": b""}
        for answer in (
            client.get("/jobs", headers={"Origin": PAGE}),
            client.post("/animate", files=files, headers={"Origin": PAGE}),
        ):
            assert answer.headers["access-control-allow-origin"] == PAGE
            exposed = answer.headers["access-control-expose-headers"]
            assert {"Location", "Retry-After", "X-Request-ID"} <= set(exposed.split(", "))
        other = client.get("/jobs", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


def test_allowed_page_needs_no_key_on_this_machine_while_no_key_exists() -> None:
    server, headers = ("127.0.0.1", 8000), {"host": "127.0.0.1:8000", "origin": PAGE}
    assert denial_reason("loopback", server, headers, (PAGE,)) is None
    assert denial_reason("loopback", server, headers, ("*",)) is not None
    assert denial_reason("loopback", server, headers) is not None


def test_head_is_answered_wherever_get_is(
    folder_settings: Settings, jobs: JobStore, tmp_path: Path
) -> None:
    with running_gateway(folder_settings) as url, httpx.Client(base_url=url) as client:
        document = client.get("/openapi.json").json()
        form = client.post("/uploads", json={"max_bytes": 9}).json()
        assert client.post(form["url"], data=form["fields"], files={"file": b"x"}).is_success
        for path in ["/openapi.json", "/docs", "/", "/nowhere", "/animate"] + [
            path.replace("{job_id}", "0" * 32).replace("{n}", "1").replace("{key}", "x")
            for path, operations in document["paths"].items()
            if "get" in operations
        ]:
            head, got = client.head(path), client.get(path)
            assert (head.status_code, head.content) == (got.status_code, b""), path
            assert head.headers.get("content-type") == got.headers.get("content-type")
        job_id = submit(client, tmp_path).json()["id"]  # type: ignore[arg-type]
        # A stream of a job that has not ended does not hold the connection.
        events = client.head(f"/jobs/{job_id}/events")
        assert (events.status_code, events.headers["content-type"]) == (
            200,
            "text/event-stream; charset=utf-8",
        )


@pytest.mark.parametrize("header", ["Via", *("X-Real-IP", "Forwarded", "X-Forwarded-For")])
def test_request_through_a_proxy_needs_a_key(header: str) -> None:
    server, headers = ("127.0.0.1", 8000), {"host": "localhost", header.lower(): "192.0.2.1"}
    reason = denial_reason("loopback", server, headers)
    assert reason is not None and repr(header.lower()) in reason and "tcan keys create" in reason
    assert denial_reason("anywhere", server, headers) is None


def test_slash_after_a_route_leads_to_it_whatever_the_host_header(
    folder_settings: Settings,
) -> None:
    with running_gateway(folder_settings) as url, httpx.Client(base_url=url) as client:
        for path, target in (("/docs/", "/docs"), ("/jobs/?limit=1", "/jobs?limit=1")):
            answer = client.get(path, headers={"Host": "elsewhere.example"})
            location = answer.headers["location"]
            assert (answer.status_code, location.startswith("../")) == (307, True), path
            assert httpx.URL(url).join(path).join(location).raw_path == target.encode()
        for path in ("/nowhere/", "/healthz//"):
            assert client.get(path).status_code == 404


def test_every_answer_forbids_guessed_types_and_frames(folder_settings: Settings) -> None:
    with gateway(folder_settings, cors_origins=PAGE) as client:
        preflight = {"Origin": PAGE, "Access-Control-Request-Method": "GET"}
        for answer in (
            client.get("/healthz"),
            client.get("/jobs/x"),
            client.get("/nowhere"),
            client.get("/docs"),
            client.get("/docs/swagger-ui.css"),
            client.head("/openapi.json"),
            client.post("/uploads", content=b" " * 100_000),
            client.options("/jobs", headers=preflight),
        ):
            assert answer.headers["x-content-type-options"] == "nosniff", answer.url
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["referrer-policy"] == "same-origin", answer.url
            assert answer.headers["cross-origin-resource-policy"] == "same-origin", answer.url
        for page in ("/docs", "/studio"):
            assert client.get(page).headers["cross-origin-opener-policy"] == "same-origin"
        script = client.get("/docs").text.split("<script>")[1].split("</script>")[0]
        digest = b64encode(sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in client.get("/docs").headers["content-security-policy"]


def test_root_leads_to_the_studio(client: TestClient, folder_settings: Settings) -> None:
    answer = client.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/studio")
    with gateway(folder_settings, public_url=PUBLIC) as behind_proxy:
        answer = behind_proxy.get("/", follow_redirects=False)
        assert answer.headers["location"] == f"{PUBLIC}/studio"
