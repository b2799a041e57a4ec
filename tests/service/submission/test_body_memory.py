"""Request bodies in memory are limited, for all callers together and for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.api.app import create_app
from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.gateway import Gateway
from service.settings import Settings
from service.stores.job_store.store import JobStore
from service.submission.body_memory import LIMIT_BYTES, RETRY_S, BodyMemory
from service.submission.multipart import SMALL_BYTES
from tests import samples

HALF = LIMIT_BYTES // 2
LEFT = 100_000


@pytest.fixture
def http(folder_settings: Settings, jobs: JobStore) -> Iterator[TestClient]:
    with TestClient(create_app(folder_settings)) as client:
        yield client


def body_memory(http: TestClient) -> BodyMemory:
    gateway = http.app.state.gateway  # type: ignore[attr-defined]  # Starlette types it as any app
    assert isinstance(gateway, Gateway)
    return gateway.body_memory


def submit(http: TestClient, size: int) -> Any:
    return http.post("/poses", files={"driving": ("d", bytes(size))})


def test_one_caller_holds_at_most_half() -> None:
    memory = BodyMemory(100)
    memory.resize("ann", 0, 50)
    with pytest.raises(RejectedError, match="fewer requests at a time") as full:
        memory.resize("ann", 0, 1)
    assert full.value.code is ErrorCode.UNAVAILABLE
    memory.resize("ben", 0, 30)
    with pytest.raises(RejectedError):
        memory.resize("cat", 0, 21)
    memory.resize("ann", 50, 40)
    memory.resize("cat", 0, 21)
    assert memory.used_bytes == 91


def test_form_over_the_limit_is_answered_503_with_retry_after(http: TestClient) -> None:
    memory = body_memory(http)
    memory.resize("ann", 0, HALF)
    memory.resize("ben", 0, HALF - LEFT)
    answer = submit(http, LEFT)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == str(RETRY_S)
    assert submit(http, LEFT // 2).json()["code"] != "unavailable"
    memory.resize("ben", HALF - LEFT, 0)
    small = http.post("/poses", files={"driving": ("d", samples.poses(3))})
    assert small.status_code == 202
    assert memory.used_bytes == HALF


def test_part_in_a_file_is_not_counted(http: TestClient) -> None:
    memory = body_memory(http)
    memory.resize("ann", 0, HALF)
    memory.resize("ben", 0, HALF - 2 * SMALL_BYTES)
    assert submit(http, 20 * SMALL_BYTES).json()["code"] != "unavailable"
    assert memory.used_bytes == LIMIT_BYTES - 2 * SMALL_BYTES


def test_fields_of_an_unsigned_form_leave_others_their_memory(http: TestClient) -> None:
    memory = body_memory(http)
    memory.resize("", 0, HALF)
    answer = http.post("/objects", data={"key": "k" * 4000}, files={"file": ("f", b"x")})
    assert answer.json()["code"] == "invalid_signature"
    form = http.post("/uploads").json()
    files = {"file": ("f", bytes(1000))}
    assert http.post(form["url"], data=form["fields"], files=files).status_code == 503
    memory.resize("", HALF, 0)
    assert http.post(form["url"], data=form["fields"], files=files).status_code == 204
