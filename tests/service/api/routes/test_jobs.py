"""The list of jobs: what it shows of each, pages and filters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from service.api.app import create_app
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.workers import WorkerInfo
from service.settings import Settings
from service.stores.job_store import commands, presence
from service.stores.job_store.store import JobStore
from tests import samples
from tests.service.api.test_api import expect_problem, submit
from tests.service.job_driver import INPUTS
from tests.service.stores.job_store.records import Clock

LEASE_MS = 10**8


def finish_one(jobs: JobStore, clock: Clock) -> None:
    """Finish a job of 5 s, on which estimates are based."""
    jobs.run(commands.create("earlier", JobParams(), INPUTS))
    prepared = jobs.run(commands.claim("earlier", Queue.PREPARE, "w", LEASE_MS))
    assert prepared is not None
    clock.now_ms += 5000
    jobs.run(commands.succeed("earlier", prepared.token, {}, []))


def test_list_shows_place_and_estimate_as_each_job_does(
    folder_settings: Settings, jobs: JobStore, tmp_path: Path
) -> None:
    clock = Clock()
    # Estimates are moments of time, so the clock stands still while they are compared.
    store = JobStore(jobs.redis, clock)
    with TestClient(create_app(folder_settings, clock)) as client:
        worker = WorkerInfo(id="w", queues=tuple(Queue), preset="mini", ready=True)
        store.run(presence.heartbeat(worker, LEASE_MS))
        finish_one(store, clock)
        ids = [submit(client, tmp_path).json()["id"] for _ in range(3)]
        store.run(commands.claim(ids[0], Queue.PREPARE, "w", LEASE_MS))
        listed = {job["id"]: job for job in client.get("/jobs").json()["jobs"]}
        own = {job_id: client.get(f"/jobs/{job_id}").json() for job_id in ids[1:]}
    assert [listed[job_id]["queue_position"] for job_id in ids] == [None, 0, 1]
    for job_id, job in own.items():
        assert job["queue_position"] == listed[job_id]["queue_position"]
        assert job["eta"] == listed[job_id]["eta"] is not None
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


def test_metadata_is_changed_in_every_state_and_found_at_once(
    client: TestClient, jobs: JobStore, tmp_path: Path
) -> None:
    options = b'{"ttl_s": 60, "webhook": {"url": "http://a.example/"}, "metadata": {"shot": "12"}}'
    job_id = submit(client, tmp_path, options=options).json()["id"]

    def change(metadata: dict[str, str | None]) -> Any:
        return client.patch(f"/jobs/{job_id}", json={"metadata": metadata})

    def found(pair: str) -> list[str]:
        return [job["id"] for job in client.get(f"/jobs?metadata={pair}").json()["jobs"]]

    before = client.get(f"/jobs/{job_id}").json()
    answer = change({"name": "<b>Zürich / é", "shot": None, "absent": None})
    assert answer.status_code == 200, answer.text
    expected = {**before["options"], "metadata": {"name": "<b>Zürich / é"}}
    assert answer.json()["options"] == expected == client.get(f"/jobs/{job_id}").json()["options"]
    assert (found("shot=12"), found("name=<b>Zürich / é")) == ([], [job_id])
    client.post(f"/jobs/{job_id}/cancel")
    assert change({"name": None}).json()["options"]["metadata"] == {}
    assert found("name=<b>Zürich / é") == []
    assert change({}).json()["options"] == {**before["options"], "metadata": {}}
    assert client.delete(f"/jobs/{job_id}").status_code == 204
    assert not [key for key in jobs.redis.keys("tcan:jobs:*")]
    expect_problem(change({"name": "x"}), 404, "job_not_found")


def test_job_with_new_metadata_needs_a_worker_that_reads_it(
    client: TestClient, jobs: JobStore, tmp_path: Path
) -> None:
    job_id = submit(client, tmp_path).json()["id"]
    client.patch(f"/jobs/{job_id}", json={"metadata": {"name": "x"}})
    assert jobs.run(commands.claim(job_id, Queue.PREPARE, "old", LEASE_MS, 2)) is None
    taken = jobs.run(commands.claim(job_id, Queue.PREPARE, "new", LEASE_MS, 3))
    assert taken is not None and taken.options.metadata == {"name": "x"}


def test_invalid_metadata_is_refused(client: TestClient, tmp_path: Path) -> None:
    job_id = submit(client, tmp_path).json()["id"]
    cases: list[tuple[dict[str, Any], str]] = [
        ({"metadata": {"a b": "x"}}, "must be a name of at most 40"),
        ({"metadata": {"a": 1}}, "metadata.a: must be text"),
        ({"metadata": {"a": "x" * 501}}, "at most 500 characters"),
        ({"meta": {}}, "did you mean 'metadata'"),
    ]
    for changes, detail in cases:
        answer = client.patch(f"/jobs/{job_id}", json=changes)
        expect_problem(answer, 422, "invalid_request", detail)
    answer = client.patch(f"/jobs/{job_id}", json={"metadata": {str(n): "x" for n in range(17)}})
    expect_problem(answer, 409, "too_much_metadata", "would have 17 names, at most 16")
    assert client.get(f"/jobs/{job_id}").json()["options"]["metadata"] == {}


def test_jobs_are_estimated_before_they_are_submitted(client: TestClient, jobs: JobStore) -> None:
    unknown = {"seconds": None, "relative_error": None, "estimates": 0}
    assert client.get("/estimates?frames=10").json() == unknown
    means: dict[Any, Any] = {
        "per_unit": "50",
        "base": "1000",
        "per_job": "9",
        "error": "0.25",
        "estimates": "4",
    }
    jobs.redis.hset("tcan:pace:animate:means", mapping=means)
    known = {"seconds": 11.0, "relative_error": 0.25, "estimates": 4}
    assert client.get("/estimates?frames=10").json() == known
    fewer = client.get("/estimates?frames=10&num_inference_steps=4").json()
    assert fewer["seconds"] == 3.0
    assert client.get("/estimates?frames=10&kind=poses").json() == unknown
    for query in ("", "?frames=0", "?frames=x", "?frames=1&num_inference_steps=201"):
        expect_problem(client.get(f"/estimates{query}"), 422, "invalid_request")
