"""A job that is submitted again, with its stored inputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from service.contract.callers import Scope
from service.contract.job import JobRecord
from service.settings import Settings
from service.stores.job_store import commands
from service.stores.job_store.store import JobStore
from service.stores.object_store.open import open_objects
from tests import samples
from tests.service.api.test_api import expect_problem
from tests.service.api_keys import bearer, new_key

FILES = {"image": ("i", samples.png()), "driving": ("d", samples.poses(25))}


def submit(client: TestClient, headers: dict[str, str] | None = None, **data: str) -> str:
    """Submit a job; return its path."""
    answer = client.post("/animate", files=FILES, data=data, headers=headers)
    assert answer.status_code == 202, answer.text
    return f"/jobs/{answer.json()['id']}"


def record(jobs: JobStore, answer: Any) -> JobRecord:
    """Return the record of the job in a response."""
    snapshot = jobs.run(commands.read(answer.json()["id"]))
    assert snapshot is not None
    return snapshot.record


def test_retry_is_a_new_job_with_copies_of_the_inputs(
    any_client: TestClient, settings: Settings, jobs: JobStore, tmp_path: Path
) -> None:
    options = '{"ttl_s": 600, "priority": "low"}'
    job = submit(any_client, params='{"seed": 7, "guidance_scale": 2}', options=options)
    any_client.post(f"{job}/cancel")
    same = any_client.post(f"{job}/retry")
    assert (same.status_code, same.json()["status"]) == (202, "queued"), same.text
    assert same.headers["location"] == f"/jobs/{same.json()['id']}" != job
    changes = {"params": {"guidance_scale": 3, "context_size": 32}, "options": {"ttl_s": 900}}
    changed = any_client.post(f"{job}/retry", json=changes)
    job_view = changed.json()
    assert (job_view["params"]["seed"], job_view["params"]["guidance_scale"]) == (7, 3)
    assert (job_view["options"]["ttl_s"], job_view["options"]["priority"]) == (900, "low")
    # The inputs of the earlier job are not needed any more.
    assert any_client.delete(job).status_code == 204
    objects = open_objects(settings)
    for answer in (same, changed):
        inputs = record(jobs, answer).inputs
        assert (inputs.frames, inputs.size_bytes) == (25, sum(len(c) for _, c in FILES.values()))
        assert inputs.image is not None and inputs.image.startswith(f"jobs/{answer.json()['id']}/")
        objects.fetch(inputs.image, tmp_path / "image")
        assert (tmp_path / "image").read_bytes() == samples.png()
    expect_problem(any_client.post(f"{job}/retry"), 404, "job_not_found")


def test_retry_of_a_pose_preview_is_one(client: TestClient, jobs: JobStore) -> None:
    made = client.post("/poses", files={"driving": FILES["driving"]}).json()["id"]
    again = client.post(f"/jobs/{made}/retry")
    assert (again.status_code, again.json()["kind"]) == (202, "poses")
    assert record(jobs, again).inputs.image is None
    changed = client.post(f"/jobs/{made}/retry", json={"params": {"person": 1}})
    assert record(jobs, changed).params.person == 1
    refused = client.post(f"/jobs/{made}/retry", json={"params": {"guidance_scale": 3}})
    expect_problem(refused, 422, "invalid_params", "params.guidance_scale: there is no such field")


def test_retry_by_an_administrator_copies_neither_webhook_nor_consent(
    client: TestClient, jobs: JobStore
) -> None:
    ann = bearer(new_key(jobs, "ann"))
    root = bearer(new_key(jobs, "root", scopes=(Scope.ADMIN,)))
    options = {
        "webhook": {"url": "http://127.0.0.1:9/hook"},
        "consent": "signed by the actor",
        "metadata": {"shot": "12"},
        "ttl_s": 600,
    }
    job = submit(client, ann, options=json.dumps(options))
    kept = client.post(f"{job}/retry", headers=ann).json()["options"]
    left = client.post(f"{job}/retry", headers=root).json()["options"]
    assert (kept["webhook"]["url"], kept["consent"]) == (
        options["webhook"]["url"],  # type: ignore[index]
        options["consent"],
    )
    assert (left["webhook"], left["consent"]) == (None, None)
    assert (left["metadata"], left["ttl_s"]) == ({"shot": "12"}, 600)
    own = {"options": {"consent": "seen by root"}}
    changed = client.post(f"{job}/retry", headers=root, json=own).json()["options"]
    assert (changed["consent"], changed["webhook"]) == ("seen by root", None)


def test_retry_without_stored_inputs_is_refused(
    client: TestClient, folder_settings: Settings
) -> None:
    job = submit(client)
    open_objects(folder_settings).delete(f"{job.removeprefix('/')}/inputs")
    answer = client.post(f"{job}/retry")
    expect_problem(answer, 410, "inputs_erased", "submit it again by POST /animate")


WRONG: list[tuple[Any, str]] = [
    ({"params": {"sed": 1}}, "params.sed: there is no such field"),
    ({"params": {"context_overlap": 16}}, "less than context_size"),
    ({"params": 5}, "params: must be a JSON object"),
    ({"parms": {}}, "did you mean 'params'?"),
    ([], "body: must be a JSON object"),
]


def test_retry_with_invalid_changes_is_refused(client: TestClient) -> None:
    job = submit(client)
    for body, says in WRONG:
        expect_problem(client.post(f"{job}/retry", json=body), 422, "invalid_params", says)
    headers = {"Content-Type": "application/json"}
    for text in ("{", "[" * 60_000, '{"params":' * 6000):
        answer = client.post(f"{job}/retry", content=text, headers=headers)
        expect_problem(answer, 422, "invalid_params", "is not valid JSON")


def test_retry_has_the_rules_of_a_submit(client: TestClient, jobs: JobStore) -> None:
    limits = {"queued_jobs": 2, "driving_s_per_day": 3}
    ann = bearer(new_key(jobs, "ann", limits=limits))
    reader = bearer(new_key(jobs, "ann", scopes=(Scope.READ,)))
    job = submit(client, ann)
    expect_problem(client.post(f"{job}/retry", headers=reader), 403, "forbidden")
    expect_problem(
        client.post(f"{job}/retry", headers=bearer(new_key(jobs, "ben"))), 404, "job_not_found"
    )
    once = ann | {"Idempotency-Key": "k"}
    first, again = (client.post(f"{job}/retry", headers=once) for _ in range(2))
    assert first.json()["id"] == again.json()["id"]
    assert again.headers["idempotency-replayed"] == "true"
    other = client.post(f"{job}/retry", headers=once, json={"params": {"seed": 1}})
    expect_problem(other, 422, "idempotency_key_reused")
    expect_problem(client.post(f"{job}/retry", headers=ann), 429, "quota_exceeded", "queued_jobs")
    for path in (job, f"/jobs/{first.json()['id']}"):
        client.post(f"{path}/cancel", headers=ann)
    assert client.post(f"{job}/retry", headers=ann).status_code == 202
    refused = client.post(f"{job}/retry", headers=ann)
    expect_problem(refused, 429, "quota_exceeded", "driving_s_per_day")
