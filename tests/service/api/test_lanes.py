"""A lane answers as FastAPI's own way does."""

from __future__ import annotations

import re
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header, Query, Request, Response
from starlette.testclient import TestClient

from service.api.app import create_app
from service.api.lanes import LaneRoute, handler_of
from service.auth.callers import Caller, get_caller
from service.settings import Settings
from tests import samples

FILES = {"image": ("i", samples.png()), "driving": ("d", samples.poses(3))}
JOB = "j" * 32


async def same_caller(request: Request) -> Caller:
    """An override; with one, no request takes a lane."""
    return await get_caller(request)


def answers(settings: Settings, lanes: bool) -> list[Any]:
    """What a gateway answers, with lanes or without."""
    app = create_app(settings)
    if not lanes:
        app.dependency_overrides[get_caller] = same_caller
    with TestClient(app, raise_server_exceptions=False) as client:
        key = {"Idempotency-Key": "k" * 8, "Prefer": "wait=1"}
        made = client.post("/animate", files=FILES, data={"params": '{"seed": 1}'}, headers=key)
        job_id = made.json()["id"]
        return [
            made,
            client.post("/animate", files=FILES, data={"params": '{"seed": 1}'}, headers=key),
            client.post("/animate", files=FILES, headers={"Idempotency-Key": ""}),
            client.post("/poses", files={"driving": FILES["driving"]}),
            client.post("/animate", content=b"", headers={"Content-Type": "text/plain"}),
            client.post("/animate", json={"image": 1}),
            client.get(f"/jobs/{job_id}"),
            client.head(f"/jobs/{job_id}"),
            client.put(f"/jobs/{job_id}"),
            client.get("/jobs/nobody"),
            client.get("/jobs/no%2Fbody"),
            client.get(f"/jobs/{job_id}/x"),
        ]


def plain(answer: Any) -> tuple[int, dict[str, str], Any]:
    """Status, headers and body without what differs from job to job."""
    text = re.sub(r"[0-9a-f]{32}", JOB, answer.text)
    text = re.sub(r'"(seed|queue_position)":\d+|"\d{4}-[^"]*Z"|"waited_s":[0-9.]+', "*", text)
    headers = {name: re.sub(r"[0-9a-f]{32}", JOB, value) for name, value in answer.headers.items()}
    headers = {
        name: headers[name] for name in headers if name not in ("x-request-id", "content-length")
    }
    return answer.status_code, headers, text


def test_both_ways_answer_alike(folder_settings: Settings) -> None:
    fast, usual = (
        answers(folder_settings, True),
        answers(folder_settings.model_copy(update={"data": folder_settings.data / "other"}), False),
    )
    # The second gateway finds the first one's key: its first answer is a replay as well.
    fast[0] = fast[1]
    assert [plain(answer) for answer in fast] == [plain(answer) for answer in usual]
    assert all("x-request-id" in answer.headers for answer in fast + usual)
    statuses = [answer.status_code for answer in fast]
    assert statuses == [202, 202, 422, 202, 415, 422, 200, 405, 405, 404, 404, 404]


def test_a_lane_takes_no_more_than_it_can_give() -> None:
    async def queried(q: Annotated[str, Query()]) -> Response:
        return Response(q)

    def deep(header: Annotated[str, Header()]) -> str:
        return header

    async def dependent(value: Annotated[str, Depends(deep)]) -> Response:
        return Response(value)

    for endpoint in (queried, dependent):
        with pytest.raises(TypeError, match="lane"):
            handler_of(LaneRoute("/x", endpoint))


def test_lanes_are_in_the_documentation(folder_settings: Settings) -> None:
    app: FastAPI = create_app(folder_settings)
    paths = app.openapi()["paths"]
    assert "202" in paths["/animate"]["post"]["responses"]
    assert "200" in paths["/jobs/{job_id}"]["get"]["responses"]
