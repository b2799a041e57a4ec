"""All ways to submit a job, and repeated submissions."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from service.contract.queues import Queue
from service.settings import Settings
from service.stores.job_store import commands
from service.stores.job_store.store import JobStore
from service.stores.object_store.open import open_objects
from service.submission.multipart import SMALL_BYTES
from tests import samples
from tests.servers import GUARD_S
from tests.service.api.test_api import expect_problem, submit
from tests.service.web import Web, web_server


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as web:
        yield web


@pytest.fixture
def urls(web: Web, tmp_path: Path) -> dict[str, str]:
    """Return a body with the URLs of valid inputs."""
    return {
        "image_url": web.page("/me.png", samples.png()),
        "driving_url": web.page("/walk.mp4", samples.video(tmp_path)),
    }


def upload(client: TestClient, content: bytes, max_bytes: int | None = None) -> tuple[str, Any]:
    """Upload a file by a form; return the upload's id and the store's response."""
    form = client.post("/uploads", json={"max_bytes": max_bytes} if max_bytes else None).json()
    post = client.post if form["url"].startswith("/") else httpx.post
    return form["id"], post(form["url"], data=form["fields"], files={"file": ("f", content)})


def test_inputs_are_fetched_from_urls(
    client: TestClient, jobs: JobStore, folder_settings: Settings, urls: dict[str, str]
) -> None:
    answer = client.post("/animate", json={**urls, "params": {"seed": 5}})
    assert answer.status_code == 202, answer.text
    assert answer.json()["params"]["seed"] == 5
    snapshot = jobs.run(commands.read(answer.json()["id"]))
    assert snapshot is not None
    assert snapshot.record.inputs.frames == 5
    assert open_objects(folder_settings).exists(snapshot.record.inputs.driving)
    assert list(folder_settings.spool_folder.iterdir()) == []


def test_inputs_are_copied_from_uploads(any_client: TestClient, tmp_path: Path) -> None:
    image, sent = upload(any_client, samples.png())
    assert sent.status_code == 204, sent.text
    driving, _ = upload(any_client, samples.video(tmp_path))
    body = {"image_upload": image, "driving_upload": driving}
    for _ in range(2):
        assert any_client.post("/animate", json=body).status_code == 202


def test_replaced_upload_is_inspected_again(any_client: TestClient, tmp_path: Path) -> None:
    driving, _ = upload(any_client, samples.video(tmp_path))
    form = any_client.post("/uploads").json()
    post = any_client.post if form["url"].startswith("/") else httpx.post
    body = {"image_upload": form["id"], "driving_upload": driving}
    for content, status in ((samples.png(), 202), (b"no image", 422), (samples.png(80, 80), 202)):
        post(form["url"], data=form["fields"], files={"file": ("f", content)})
        assert any_client.post("/animate", json=body).status_code == status
    # In the other role the same file is something else.
    body = {"image_upload": driving, "driving_upload": driving}
    expect_problem(any_client.post("/animate", json=body), 422, "invalid_image")


def test_a_jobs_inputs_outlive_the_upload(
    client: TestClient, jobs: JobStore, folder_settings: Settings, tmp_path: Path
) -> None:
    image, _ = upload(client, samples.png())
    driving, _ = upload(client, samples.video(tmp_path))
    body = {"image_upload": image, "driving_upload": driving}
    snapshot = jobs.run(commands.read(client.post("/animate", json=body).json()["id"]))
    assert snapshot is not None and snapshot.record.inputs.image is not None
    objects = open_objects(folder_settings)
    objects.delete(f"uploads/{image}")
    objects.fetch(snapshot.record.inputs.image, tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == samples.png()
    expect_problem(client.post("/animate", json=body), 404, "upload_not_found")


def test_small_inputs_use_no_spool_and_big_ones_are_removed_from_it(
    client: TestClient, folder_settings: Settings
) -> None:
    spool = folder_settings.spool_folder
    before = spool.stat().st_mtime_ns
    files = {"image": ("i", samples.png()), "driving": ("d", samples.poses(16))}
    assert client.post("/animate", files=files).status_code == 202
    assert spool.stat().st_mtime_ns == before
    files["image"] = ("i", samples.png(400, 400))
    assert len(files["image"][1]) > SMALL_BYTES
    assert client.post("/animate", files=files).status_code == 202
    assert spool.stat().st_mtime_ns > before
    assert list(spool.iterdir()) == []


def test_upload_over_its_size_is_refused(any_client: TestClient) -> None:
    content = samples.png()
    _, sent = upload(any_client, content, max_bytes=len(content) - 1)
    assert sent.status_code in (400, 413), sent.text
    unfilled, _ = upload(any_client, b"")
    body = {"image_upload": unfilled, "driving_upload": unfilled}
    expect_problem(
        any_client.post("/animate", json=body), 404, "upload_not_found", "has no file yet"
    )
    body = {"image_upload": "0" * 32, "driving_upload": unfilled}
    expect_problem(any_client.post("/animate", json=body), 404, "upload_not_found")


def test_altered_form_is_refused(client: TestClient) -> None:
    form = client.post("/uploads", json={"max_bytes": 5}).json()
    for change in ({"max_bytes": "9"}, {"key": "jobs/x/result.mp4"}, {"expires": "99999999999"}):
        fields = form["fields"] | change
        sent = client.post(form["url"], data=fields, files={"file": ("f", b"x" * 9)})
        expect_problem(sent, 403, "invalid_signature")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"driving_url": "http://a/b"}, "image is missing: give either image_url"),
        (
            {"driving_url": "http://a/b", "driving_upload": "0" * 32},
            "driving_url and driving_upload",
        ),
        ({"driving_url": "file:///etc/passwd"}, "driving_url"),
        ({"driving_upload": "../x"}, "driving_upload"),
        ({"options": {"ttl_s": 1}}, "options.ttl_s"),
        ({"options": {"ttl_s": "600"}}, "options.ttl_s"),
        ({"params": {"seed": True}}, "params.seed"),
        ({"params": {"retarget": "yes"}}, "params.retarget"),
        ({"image": "x"}, "image: there is no such field"),
    ],
)
def test_json_body_rejects_unknown_and_conflicting_fields(
    client: TestClient, body: dict[str, Any], says: str
) -> None:
    expect_problem(client.post("/animate", json=body), 422, "invalid_params", says)


@pytest.mark.parametrize("max_bytes", [True, "5", 0, 1.5])
def test_upload_request_needs_an_integer_size(client: TestClient, max_bytes: Any) -> None:
    answer = client.post("/uploads", json={"max_bytes": max_bytes})
    expect_problem(answer, 422, "invalid_request", "max_bytes")


def test_float_without_a_fraction_is_accepted_as_an_integer(
    client: TestClient, urls: dict[str, str]
) -> None:
    assert client.post("/uploads", json={"max_bytes": 5.0}).json()["max_bytes"] == 5
    body = {**urls, "params": {"seed": 7.0, "guidance_scale": 2}, "options": {"ttl_s": 600.0}}
    made = client.post("/animate", json=body).json()
    assert (made["params"]["seed"], made["options"]["ttl_s"]) == (7, 600)


def test_pose_preview_needs_only_a_driving_input(
    client: TestClient, jobs: JobStore, tmp_path: Path
) -> None:
    answer = client.post("/poses", files={"driving": ("d", samples.video(tmp_path))})
    assert (answer.status_code, answer.json()["kind"]) == (202, "poses"), answer.text
    snapshot = jobs.run(commands.read(answer.json()["id"]))
    assert snapshot is not None
    assert (snapshot.record.inputs.image, snapshot.record.queue) == (None, Queue.PREPARE)
    refused = submit(client, tmp_path)
    assert refused.json()["kind"] == "animate"


def test_prefer_wait_returns_the_ended_job(
    client: TestClient, jobs: JobStore, tmp_path: Path
) -> None:
    def work() -> None:
        while not (waiting := jobs.run(commands.recent(1)).jobs):
            pass
        jobs.run(commands.cancel(waiting[0].record.id))

    worker = threading.Thread(target=work)
    worker.start()
    answer = submit_with(client, tmp_path, {"Prefer": "respond-async, wait=60"})
    worker.join()
    assert (answer.status_code, answer.json()["status"]) == (200, "canceled")
    assert answer.headers["preference-applied"] == "wait=60"
    began_s = time.perf_counter()
    late = submit_with(client, tmp_path, {"Prefer": "wait=1"})
    took_s = time.perf_counter() - began_s
    assert (late.status_code, late.json()["status"]) == (202, "queued")
    # The second that it wished to wait makes no gateway slow.
    name = r'tcan_http_request_seconds_sum\{method="POST",route="/animate",status="202"\} (.+)'
    match = re.search(name, client.get("/metrics").text)
    assert match is not None
    assert 0 < float(match[1]) < took_s - 0.95
    for ignored in ("wait=0", "wait=x", "return=minimal", ""):
        answer = submit_with(client, tmp_path, {"Prefer": ignored})
        assert answer.status_code == 202
        assert "preference-applied" not in answer.headers


def test_idempotency_key_returns_the_same_job_after_its_end(
    any_client: TestClient, jobs: JobStore, tmp_path: Path
) -> None:
    key = {"Idempotency-Key": '"8e03978e-40d5-43e8"'}
    first = submit_with(any_client, tmp_path, key)
    job_id = first.json()["id"]
    assert "idempotency-replayed" not in first.headers
    jobs.run(commands.cancel(job_id))
    bare = {"Idempotency-Key": "8e03978e-40d5-43e8"}
    again = submit_with(any_client, tmp_path, bare)
    assert (again.status_code, again.json()["id"]) == (202, job_id)
    assert (again.headers["idempotency-replayed"], again.json()["status"]) == ("true", "canceled")
    other = submit_with(any_client, tmp_path, key, params={"seed": 8})
    expect_problem(other, 422, "idempotency_key_reused")
    any_client.delete(f"/jobs/{job_id}")
    expect_problem(submit_with(any_client, tmp_path, key), 410, "job_erased")
    assert [each.record.id for each in jobs.run(commands.recent(9)).jobs] == []


def test_refused_request_releases_its_idempotency_key(client: TestClient, tmp_path: Path) -> None:
    key = {"Idempotency-Key": "k"}
    bad = submit_with(client, tmp_path, key, image=b"text")
    expect_problem(bad, 422, "invalid_image")
    assert submit_with(client, tmp_path, key).status_code == 202
    for wrong in ('""', '"a', "a" * 256, "ä"):
        refused = submit_with(client, tmp_path, {"Idempotency-Key": wrong.encode()})
        expect_problem(refused, 422, "invalid_request", "Idempotency-Key")


def test_concurrent_request_with_the_same_key_is_refused(
    client: TestClient, web: Web, urls: dict[str, str]
) -> None:
    web.blocked_path = "/walk.mp4"
    headers = {"Idempotency-Key": "k"}
    with ThreadPoolExecutor() as pool:
        first = pool.submit(client.post, "/animate", json=urls, headers=headers)
        assert web.blocked_request.wait(GUARD_S)
        expect_problem(
            client.post("/animate", json=urls, headers=headers), 409, "idempotency_key_in_use"
        )
        web.release.set()
        made = first.result().json()
    again = client.post("/animate", json=urls, headers=headers)
    assert again.json()["id"] == made["id"]
    assert web.requests.count("/walk.mp4") == 1


def submit_with(
    client: TestClient,
    folder: Path,
    headers: Mapping[str, Any],
    image: bytes | None = None,
    params: dict[str, Any] | None = None,
) -> Any:
    """POST /animate with these headers and, by default, valid inputs."""
    files = {
        "image": ("i", image or samples.png()),
        "driving": ("d", samples.video(folder)),
        "params": (None, httpx.Response(200, json=params or {"seed": 7}).content),
    }
    return client.post("/animate", files=files, headers=dict(headers))
