"""The disk budget of incoming files: requests over it are asked to retry later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.api.app import create_app
from service.contract.errors import ErrorCode
from service.errors import RejectedError, SettingsError
from service.gateway import Gateway
from service.settings import Settings
from service.stores.job_store.store import JobStore
from service.submission.body_memory import BodyMemory
from service.submission.disk_budget import RETRY_S, DiskBudget, open_disk_budget
from service.submission.spool import Spool
from tests import samples
from tests.service.web import Web, web_server

MIB = 1024 * 1024
POSE_BYTES = 16 * 1024
LIMITS = {
    "max_image_bytes": MIB - POSE_BYTES,
    "max_driving_bytes": MIB,
    "max_pose_bytes": POSE_BYTES,
}


@pytest.fixture
def http(folder_settings: Settings) -> Iterator[TestClient]:
    """A gateway with a budget of 3 MiB, which is also the size of the largest request."""
    limits = folder_settings.limits.model_copy(update=LIMITS)
    update = {"limits": limits, "spool_bytes": 3 * MIB, "outbound_allow": "127.0.0.1"}
    with TestClient(create_app(folder_settings.model_copy(update=update))) as client:
        yield client


def disk_budget(http: TestClient) -> DiskBudget:
    gateway = http.app.state.gateway  # type: ignore[attr-defined]  # Starlette types it as any app
    assert isinstance(gateway, Gateway)
    return gateway.disk_budget


def test_spools_share_one_budget_and_release_it(tmp_path: Path) -> None:
    shared, memory = DiskBudget(100), BodyMemory()
    with Spool(tmp_path, shared, memory) as one, Spool(tmp_path, shared, memory) as other:
        one.reserve("driving", 60)
        one.reserve("driving", 70)
        one.reserve("image", 5)
        assert shared.used_bytes == 75
        with pytest.raises(RejectedError, match="75 of 100 bytes") as full:
            other.reserve("driving", 26)
        assert full.value.code is ErrorCode.UNAVAILABLE
        other.reserve("driving", 25)
    assert shared.used_bytes == 0


def test_gateway_does_not_start_when_the_largest_request_exceeds_the_budget(
    folder_settings: Settings,
) -> None:
    small = folder_settings.model_copy(update={"spool_bytes": 1141899263})
    says = "TCAN_SPOOL_BYTES is 1141899263, but one request may need 1141899264"
    with pytest.raises(SettingsError, match=says), TestClient(create_app(small)):
        pass
    open_disk_budget(1141899264, small.limits)


def by_body(http: TestClient, web: Web) -> Any:
    return http.post("/poses", files={"driving": ("d", bytes(600_000))})


def by_stream(http: TestClient, web: Web) -> Any:
    """Send a body without a Content-Length."""
    head = b'--b\r\nContent-Disposition: form-data; name="driving"\r\n\r\n'
    chunks = iter([head, *[bytes(100_000)] * 6, b"\r\n--b--\r\n"])
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    return http.post("/poses", content=chunks, headers=kind)


def by_form(http: TestClient, web: Web) -> Any:
    form = http.post("/uploads").json()
    return http.post(form["url"], data=form["fields"], files={"file": ("f", bytes(600_000))})


def by_upload(http: TestClient, web: Web) -> Any:
    form = http.post("/uploads").json()
    http.app.state.gateway.objects.put(form["fields"]["key"], bytes(600_000))  # type: ignore[attr-defined]
    return http.post("/poses", json={"driving_upload": form["id"]})


def by_url(http: TestClient, web: Web) -> Any:
    return http.post("/poses", json={"driving_url": web.page("/d", bytes(600_000))})


@pytest.mark.parametrize("send", [by_body, by_stream, by_form, by_upload, by_url])
def test_request_over_the_budget_is_answered_503_with_retry_after(
    http: TestClient, jobs: JobStore, send: Callable[[TestClient, Web], Any]
) -> None:
    with web_server() as web:
        disk_budget(http).reserve(3 * MIB - 500_000)
        answer = send(http, web)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable"), answer.text
        assert answer.headers["retry-after"] == str(RETRY_S)
        disk_budget(http).release(300_000)
        assert send(http, web).status_code in (204, 422)  # it fits, but is no video
        assert disk_budget(http).used_bytes == 3 * MIB - 800_000
    small = http.post("/poses", files={"driving": ("d", samples.poses(3))})
    assert small.status_code == 202


def test_join_reserves_no_more_for_a_part_than_for_the_file(http: TestClient) -> None:
    for max_bytes, part_bytes in ((MIB, MIB), (10, 2**50)):
        body = {"max_bytes": max_bytes, "part_bytes": part_bytes}
        upload = http.post("/uploads", json=body).json()
        answer = http.post(f"/uploads/{upload['id']}/join")
        assert answer.json()["detail"] == "part 1 of 1 was not sent; send it, then join again"


def test_upload_whose_parts_cannot_be_joined_on_the_disk_is_refused(
    folder_settings: Settings,
) -> None:
    limits = LIMITS | {"max_image_bytes": POSE_BYTES, "max_driving_bytes": 4 * MIB}
    update = {
        "limits": folder_settings.limits.model_copy(update=limits),
        "spool_bytes": 5 * MIB + 2 * POSE_BYTES,
    }
    with TestClient(create_app(folder_settings.model_copy(update=update))) as client:
        answer = client.post("/uploads", json={"max_bytes": 4 * MIB, "part_bytes": 2 * MIB})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert "must be at most 1,081,344 for 4,194,304 bytes" in answer.json()["detail"]
        answer = client.post("/uploads", json={"max_bytes": 4 * MIB, "part_bytes": MIB})
        assert answer.status_code == 201
