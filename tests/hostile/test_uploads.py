"""Uploads in parts: joined many times at once, and never joined."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from service.submission.join_slots import JOINS_PER_CALLER
from tests.hostile.conftest import Service
from tests.servers import wait_until

JOINS = 50
UPLOADS = 1000

pytestmark = [pytest.mark.e2e, pytest.mark.long]


def send(service: Service, form: dict[str, Any], content: bytes) -> httpx.Response:
    """Send a file or a part of one by its form."""
    return service.http.post(form["url"], data=form["fields"], files={"file": ("f", content)})


def join(service: Service, upload_id: str) -> httpx.Response:
    return httpx.post(f"{service.http.base_url}/uploads/{upload_id}/join", timeout=60)


def test_upload_that_is_joined_many_times_at_once_is_joined_once(service: Service) -> None:
    body = {"max_bytes": 2_000_000, "part_bytes": 100_000}
    upload = service.http.post("/uploads", json=body).json()
    for form in upload["parts"]:
        assert send(service, form, bytes(100_000)).is_success
    with ThreadPoolExecutor(JOINS) as threads:
        answers = list(threads.map(lambda _: join(service, upload["id"]), range(JOINS)))
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[204] >= JOINS_PER_CALLER and statuses.keys() <= {204, 503}, statuses
    assert all("retry-after" in each.headers for each in answers if each.status_code == 503)
    [file] = service.files()
    assert file.stat().st_size == 2_000_000
    assert service.http.delete(f"/uploads/{upload['id']}").status_code == 204
    assert service.files() == []


def test_parts_are_limited_each_and_go_with_their_upload(service: Service) -> None:
    upload = service.http.post("/uploads", json={"max_bytes": 10, "part_bytes": 4}).json()
    first, *_, last = upload["parts"]
    refused = [
        send(service, first, b"12345"),
        send(service, last, b"123"),
        send(service, last, b""),
    ]
    assert [answer.status_code for answer in refused] == [413, 413, 422]
    assert send(service, first, b"1234").is_success
    answer = join(service, upload["id"])
    assert (answer.status_code, answer.json()["code"]) == (404, "upload_not_found")
    # Its parts are deleted at the end of the upload, as if nobody had deleted it before.
    assert service.http.delete(f"/uploads/{upload['id']}").status_code == 204
    assert send(service, first, b"1234").is_success
    service.redis.zadd("tcan:uploads:ends", {upload["id"]: 1})
    wait_until(lambda: service.files() == [], "the sweeper has deleted the part")


def test_uploads_that_are_never_sent_take_little_of_redis(service: Service) -> None:
    before = service.redis.info("memory")["used_memory"]
    ids = [service.http.post("/uploads").json()["id"] for _ in range(UPLOADS)]
    each_bytes = (service.redis.info("memory")["used_memory"] - before) / UPLOADS
    print(f"\neach upload takes {each_bytes:.0f} bytes of Redis")
    assert each_bytes < 1000
    service.redis.zadd("tcan:uploads:ends", dict.fromkeys(ids, 1))
    left = "tcan:uploads:of:anonymous"
    wait_until(lambda: service.redis.zcard(left) == 0, "the sweeper has deleted them")
    assert service.is_alive()
