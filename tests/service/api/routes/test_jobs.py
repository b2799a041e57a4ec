"""The list of jobs: what it shows of each, pages and filters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.workers import WorkerInfo
from service.stores.job_store import commands, presence
from service.stores.job_store.store import JobStore
from tests import samples
from tests.service.api.test_api import expect_problem, submit
from tests.service.job_driver import INPUTS

LEASE_MS = 10**8


def finish_one(jobs: JobStore) -> None:
    """Finish a job, on which estimates are based."""
    jobs.run(commands.create("earlier", JobParams(), INPUTS))
    prepared = jobs.run(commands.claim("earlier", Queue.PREPARE, "w", LEASE_MS))
    assert prepared is not None
    jobs.run(commands.succeed("earlier", prepared.token, {}, []))


def test_list_shows_place_and_estimate_as_each_job_does(
    client: TestClient, jobs: JobStore, tmp_path: Path
) -> None:
    worker = WorkerInfo(id="w", queues=tuple(Queue), preset="mini", ready=True)
    jobs.run(presence.heartbeat(worker, LEASE_MS))
    finish_one(jobs)
    ids = [submit(client, tmp_path).json()["id"] for _ in range(3)]
    jobs.run(commands.claim(ids[0], Queue.PREPARE, "w", LEASE_MS))
    listed = {job["id"]: job for job in client.get("/jobs").json()["jobs"]}
    assert [listed[job_id]["queue_position"] for job_id in ids] == [None, 0, 1]
    for job_id in ids[1:]:
        own = client.get(f"/jobs/{job_id}").json()
        assert own["queue_position"] == listed[job_id]["queue_position"]
        assert own["eta"] == listed[job_id]["eta"] is not None
    assert (listed["earlier"]["queue_position"], listed["earlier"]["eta"]) == (None, None)


def test_list_is_paginated(client: TestClient, tmp_path: Path) -> None:
    made = [submit(client, tmp_path).json()["id"] for _ in range(3)]
    answer = client.get("/jobs", params={"limit": 2, "status": ["queued", "failed"]})
    first = answer.json()
    assert answer.headers["link"] == f'<{first["next"]}>; rel="next"'
    second = client.get(answer.links["next"]["url"]).json()
    listed = [job["id"] for page in (first, second) for job in page["jobs"]]
    assert sorted(listed) == sorted(made)
    assert second["next"] is None
    for wrong in ({"limit": 0}, {"cursor": "x"}, {"status": "lost"}, {"created_after": "now"}):
        [(name, _)] = wrong.items()
        expect_problem(client.get("/jobs", params=wrong), 422, "invalid_request", name)


def test_list_is_filtered(client: TestClient, tmp_path: Path) -> None:
    first, second = (submit(client, tmp_path).json() for _ in range(2))
    client.post(f"/jobs/{first['id']}/cancel")

    def listed(**query: Any) -> list[str]:
        return [job["id"] for job in client.get("/jobs", params=query).json()["jobs"]]

    assert listed(status="canceled") == [first["id"]]
    assert listed(status=["canceled", "queued"]) == [second["id"], first["id"]]
    assert listed(created_before=first["created_at"]) == []
    assert set(listed(created_after=first["created_at"])) == {first["id"], second["id"]}
    assert listed(created_after="2100-01-01T00:00:00Z") == []


def test_jobs_are_found_by_their_metadata(client: TestClient) -> None:
    files = {"image": samples.png(), "driving": samples.poses()}
    made = []
    for metadata in ({"shot": "12", "take": "a=b"}, {"shot": "12", "take": "2"}, {"shot": "13"}):
        options = json.dumps({"metadata": metadata})
        job = client.post("/animate", files=files, data={"options": options}).json()
        assert job["options"]["metadata"] == metadata
        made.append(job["id"])
    client.post(f"/jobs/{made[1]}/cancel")

    def listed(*metadata: str, **query: Any) -> set[str]:
        answer = client.get("/jobs", params={"metadata": metadata, **query}).json()
        return {job["id"] for job in answer["jobs"]}

    assert listed("shot=12") == set(made[:2])
    assert listed("shot=12", "take=a=b") == {made[0]}
    assert listed("shot=12", status="canceled") == {made[1]}
    assert listed("shot=13", "take=2") == listed("shot=1") == listed("take=") == set()
    first = client.get("/jobs", params={"metadata": "shot=12", "limit": 1}).json()
    rest = client.get(first["next"]).json()
    assert {job["id"] for page in (first, rest) for job in page["jobs"]} == set(made[:2])
    client.delete(f"/jobs/{made[1]}")
    assert listed("shot=12") == {made[0]}
    expect_problem(client.get("/jobs?metadata=shot"), 422, "invalid_request", "name=value")
    for wrong, says in (
        ({"a b": "1"}, "must be a name of at most 40 letters"),
        ({"a": 1}, "must be text"),
        ({str(n): "" for n in range(17)}, "16"),
        ({"a": "x" * 501}, "500"),
    ):
        options = json.dumps({"metadata": wrong})
        answer = client.post("/animate", files=files, data={"options": options})
        expect_problem(answer, 422, "invalid_params", says)
