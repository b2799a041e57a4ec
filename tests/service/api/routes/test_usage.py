"""Use of a caller's limits, and the list of its uploads."""

from __future__ import annotations

from typing import Any

import httpx
from starlette.testclient import TestClient

from service.api.routes.uploads import MAX_PARTS
from service.contract.callers import Scope
from service.stores.job_store import uploads
from service.stores.job_store.store import JobStore
from service.stores.job_store.uploads import FORMS_PER_DAY, Upload
from tests import samples
from tests.service.api.test_api import expect_problem
from tests.service.api_keys import bearer, new_key

FILES = {"image": ("i", samples.png()), "driving": ("d", samples.poses(25))}
SIZE = sum(len(content) for _, content in FILES.values())


def send(client: TestClient, key: dict[str, str], content: bytes | None, **body: Any) -> str:
    """Create an upload, send its file unless that is None, and return its id."""
    form = client.post("/uploads", json=body or None, headers=key).json()
    if content is not None:
        post = client.post if form["url"].startswith("/") else httpx.post
        assert post(form["url"], data=form["fields"], files={"file": ("f", content)}).is_success
    return str(form["id"])


def test_usage_shows_what_is_used_and_left_of_each_limit(
    client: TestClient, jobs: JobStore
) -> None:
    limits = {
        "requests_per_minute": 60,
        "queued_jobs": 3,
        "input_bytes_per_day": 10**6,
        "driving_s_per_day": 10,
    }
    key = bearer(new_key(jobs, "ann", limits=limits))
    assert client.get("/usage", headers=key).json()["input_bytes_per_day"]["used"] == 0
    made = [client.post("/animate", files=FILES, headers=key).json()["id"] for _ in range(2)]
    client.post(f"/jobs/{made[0]}/cancel", headers=key)
    send(client, key, None, max_bytes=1000)
    usage = client.get("/usage", headers=key).json()
    assert usage["caller"] == "ann"
    assert usage["scopes"] == ["read", "submit"]
    assert usage["requests_per_minute"] == {
        "limit": 60,
        "used": 6,
        "remaining": 54,
        "resets_at": None,
    }
    shown = {name: (usage[name]["used"], usage[name]["remaining"]) for name in limits}
    assert shown["queued_jobs"] == (1, 2)
    assert shown["driving_s_per_day"] == (2, 8)
    assert shown["input_bytes_per_day"] == (2 * SIZE + 1000, 10**6 - 2 * SIZE - 1000)
    assert usage["input_bytes_per_day"]["resets_at"].endswith("T00:00:00Z")
    assert {state: count for state, count in usage["jobs"].items() if count} == {
        "queued": 1,
        "canceled": 1,
    }
    stored = {"jobs": 2, "input_bytes": 2 * SIZE, "uploads": 1, "upload_bytes": 1000}
    assert usage["storage"] == stored


def test_usage_without_limits_is_counted_too(client: TestClient, jobs: JobStore) -> None:
    client.post("/animate", files=FILES)
    usage = client.get("/usage").json()
    assert usage["caller"] == "anonymous"
    assert usage["requests_per_minute"] == dict.fromkeys(
        ("limit", "used", "remaining", "resets_at")
    )
    used = usage["input_bytes_per_day"]
    assert (used["limit"], used["used"], used["remaining"]) == (None, SIZE, None)
    assert usage["driving_s_per_day"]["used"] == 1
    other = bearer(new_key(jobs, "ben", scopes=(Scope.READ,)))
    assert client.get("/usage", headers=other).json()["storage"]["jobs"] == 0


def test_uploads_are_listed_by_page_and_deleted(any_client: TestClient, jobs: JobStore) -> None:
    ann, ben = (bearer(new_key(jobs, name)) for name in ("ann", "ben"))
    sent = send(any_client, ann, samples.png(), max_bytes=50_000)
    ids = [sent, *(send(any_client, ann, None) for _ in range(2))]
    first = any_client.get("/uploads?limit=2", headers=ann)
    second = any_client.get(first.links["next"]["url"], headers=ann).json()
    uploads = first.json()["uploads"] + second["uploads"]
    assert sorted(upload["id"] for upload in uploads) == sorted(ids)
    assert len(first.json()["uploads"]) == 2 and second["next"] is None
    by_id = {upload["id"]: upload for upload in uploads}
    assert (by_id[sent]["size_bytes"], by_id[sent]["max_bytes"]) == (len(samples.png()), 50_000)
    assert by_id[ids[1]]["size_bytes"] is None
    assert any_client.get("/uploads", headers=ben).json() == {"uploads": [], "next": None}
    path = f"/uploads/{sent}"
    expect_problem(any_client.delete(path, headers=ben), 404, "upload_not_found", sent)
    assert any_client.delete(path, headers=ann).status_code == 204
    expect_problem(any_client.delete(path, headers=ann), 404, "upload_not_found", sent)
    body = {"image_upload": sent, "driving_upload": sent}
    expect_problem(any_client.post("/animate", json=body, headers=ann), 404, "upload_not_found")
    assert len(any_client.get("/uploads", headers=ann).json()["uploads"]) == 2


def test_file_is_sent_in_parts_in_any_order_and_joined(
    any_client: TestClient, jobs: JobStore
) -> None:
    ann, ben = (bearer(new_key(jobs, name)) for name in ("ann", "ben"))
    content = samples.png()
    body = {"max_bytes": len(content), "part_bytes": len(content) // 3}
    form = any_client.post("/uploads", json=body, headers=ann).json()
    path, size = f"/uploads/{form['id']}/join", body["part_bytes"]
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    assert len(form["parts"]) == len(pieces)
    sent = list(zip(form["parts"], pieces, strict=True))
    for part, piece in (*reversed(sent[1:]), sent[1]):
        assert post_part(any_client, part, piece).is_success
    missing = any_client.post(path, headers=ann)
    expect_problem(missing, 404, "upload_not_found", f"part 1 of {len(pieces)} was not sent")
    assert not post_part(any_client, form["parts"][0], content).is_success
    assert post_part(any_client, *sent[0]).is_success
    expect_problem(any_client.post(path, headers=ben), 404, "upload_not_found", form["id"])
    for _ in range(2):
        assert any_client.post(path, headers=ann).status_code == 204
    [listed] = any_client.get("/uploads", headers=ann).json()["uploads"]
    assert listed["size_bytes"] == len(content)
    inputs = {"image_upload": form["id"]}
    assert any_client.post("/poses", json=inputs, headers=ann).status_code == 202


def post_part(client: TestClient, form: dict[str, Any], content: bytes) -> Any:
    """Send one part of a file by its form."""
    post = client.post if form["url"].startswith("/") else httpx.post
    return post(form["url"], data=form["fields"], files={"file": ("f", content)})


def test_upload_of_too_many_parts_is_refused_and_one_without_parts_is_not_joined(
    client: TestClient,
) -> None:
    answer = client.post("/uploads", json={"max_bytes": 1001, "part_bytes": 1})
    expect_problem(answer, 422, "invalid_request", "part_bytes: must be at least 2 for 1,001 bytes")
    plain = client.post("/uploads").json()["id"]
    answer = client.post(f"/uploads/{plain}/join")
    expect_problem(answer, 404, "upload_not_found", "was not made with part_bytes")


def test_upload_forms_of_a_day_are_limited_and_deleting_frees_none(
    client: TestClient, jobs: JobStore
) -> None:
    ann, ben = (bearer(new_key(jobs, name)) for name in ("ann", "ben"))
    for number in range(FORMS_PER_DAY // (MAX_PARTS + 1)):
        upload = Upload(id=str(number), caller="ann", max_bytes=MAX_PARTS, part_bytes=1)
        jobs.run(uploads.register_upload(upload, 60_000))
        jobs.run(uploads.forget_upload(upload.id, keep_end=True))
    body = {"max_bytes": MAX_PARTS, "part_bytes": 1}
    answer = client.post("/uploads", json=body, headers=ann)
    expect_problem(answer, 429, "quota_exceeded", f"the limit is {FORMS_PER_DAY} a day")
    assert int(answer.headers["retry-after"]) > 0
    assert client.post("/uploads", headers=ann).status_code == 201
    assert client.post("/uploads", json=body, headers=ben).status_code == 201
