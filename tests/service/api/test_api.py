"""The routes of the gateway on real stores; the tests do the workers' part."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from service.api.app import create_app
from service.contract.errors import ErrorCode, JobError
from service.contract.job import JobRecord, Output, Progress
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.version import CONTRACT, HEADER
from service.contract.workers import WorkerInfo
from service.settings import Settings
from service.stores.job_store import commands, presence
from service.stores.job_store.hints import NO_CALLBACKS, HintSender, make_celery
from service.stores.job_store.store import JobStore
from service.stores.object_store.open import open_objects
from tests import samples
from tests.servers import GUARD_S
from tests.worker.paint import PaintAnimator

LEASE_MS = 60_000
BEGINNINGS = ("created", "started")
PROBLEM = "application/problem+json"


def submit(client: TestClient, folder: Path, **changes: Any) -> Any:
    """POST /animate with valid inputs and the given changes; None omits a part."""
    files: dict[str, Any] = {
        "image": ("me.png", samples.png(), "image/png"),
        "driving": ("walk.mp4", samples.video(folder), "video/mp4"),
        "params": (None, json.dumps({"seed": 7})),
    }
    files |= {name: part if part is None else (name, part) for name, part in changes.items()}
    return client.post("/animate", files={k: v for k, v in files.items() if v is not None})


def expect_problem(answer: Any, status: int, code: str, says: str = "") -> None:
    """Assert that the response is this problem."""
    assert answer.headers["content-type"] == PROBLEM, answer.text
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code), body
    assert body["type"] == f"urn:tcan:problem:{code}"
    assert body["title"]
    assert says in body["detail"], body


def render(jobs: JobStore, job_id: str) -> JobRecord:
    """Advance the job to the render stage, as workers would."""
    prepared = jobs.run(commands.claim(job_id, Queue.PREPARE, "w", LEASE_MS))
    assert prepared is not None
    jobs.run(commands.hand_over(job_id, prepared.token, Queue.RENDER, "jobs/x/p.json", []))
    running = jobs.run(commands.claim(job_id, Queue.RENDER, "w", LEASE_MS))
    assert running is not None
    return running


def test_a_submission_is_accepted_and_stored(
    any_client: TestClient, settings: Settings, jobs: JobStore, tmp_path: Path
) -> None:
    answer = submit(any_client, tmp_path)
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/jobs/{job['id']}" == job["links"]["self"]
    assert int(answer.headers["retry-after"]) >= 1
    assert (job["status"], job["params"]["seed"], job["queue_position"]) == ("queued", 7, 0)
    snapshot = jobs.run(commands.read(job["id"]))
    assert snapshot is not None
    objects = open_objects(settings)
    objects.fetch(snapshot.record.inputs.image or "", tmp_path / "stored")
    assert (tmp_path / "stored").read_bytes() == samples.png()
    assert objects.exists(snapshot.record.inputs.driving)
    assert list(settings.spool_folder.iterdir()) == []


def test_submit_and_status_routes_answer_with_the_documented_statuses(
    client: TestClient,
) -> None:
    files = {"image": ("i", samples.png()), "driving": ("d", samples.poses(3))}
    key = {"Idempotency-Key": "k" * 8, "Prefer": "wait=1"}
    made = client.post("/animate", files=files, data={"params": '{"seed": 1}'}, headers=key)
    job = f"/jobs/{made.json()['id']}"
    answers = [
        made,
        client.post("/animate", files=files, data={"params": '{"seed": 1}'}, headers=key),
        client.post("/animate", files=files, headers={"Idempotency-Key": ""}),
        client.post("/poses", files={"driving": files["driving"]}),
        client.post("/animate", content=b"", headers={"Content-Type": "text/plain"}),
        client.post("/animate", json={"image": 1}),
        client.get(job),
        client.head(job),
        client.put(job),
        client.get("/jobs/missing"),
        client.get("/jobs/no%2Fbody"),
        client.get(f"{job}/x"),
    ]
    statuses = [answer.status_code for answer in answers]
    assert statuses == [202, 202, 422, 202, 415, 422, 200, 200, 405, 404, 404, 404]
    assert all("x-request-id" in answer.headers for answer in answers)
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert answers[1].headers["preference-applied"] == "wait=1"
    assert all(answer.headers["content-type"] == PROBLEM for answer in answers if answer.is_error)


def test_hint_contains_only_the_job_id(client: TestClient, jobs: JobStore, tmp_path: Path) -> None:
    job_id = submit(client, tmp_path).json()["id"]
    [message] = jobs.redis.lrange(Queue.PREPARE.task, 0, -1)
    body = json.loads(message)
    assert body["headers"]["task"] == Queue.PREPARE.task
    assert body["content-type"] == "application/json"
    assert job_id in body["headers"]["argsrepr"]
    assert len(message) < 2000


def test_hint_of_a_new_job_equals_a_message_of_celery(jobs: JobStore, redis_url: str) -> None:
    celery, queue = make_celery(redis_url), Queue.PREPARE.task
    celery.send_task(queue, args=["a" * 32], queue=queue, headers={HEADER: CONTRACT})
    HintSender(jobs).send("a" * 32, Queue.PREPARE)
    with celery.connection_for_read() as connection:
        simple = connection.SimpleQueue(queue)
        theirs, ours = simple.get(timeout=GUARD_S), simple.get(timeout=GUARD_S)
        for got in (theirs, ours):
            got.ack()
        simple.close()
    celery.close()
    assert ours.payload == theirs.payload == [["a" * 32], {}, NO_CALLBACKS]
    assert ours.content_type == theirs.content_type == "application/json"
    # Celery adds what has no meaning here: who sent it, and the names of features not used.
    ids = {"id": "", "root_id": ""}
    assert {**theirs.headers, **ours.headers, **ids} == {**theirs.headers, **ids}
    assert set(ours.properties) <= set(theirs.properties)
    assert ours.delivery_info == theirs.delivery_info
    assert jobs.redis.llen(Queue.PREPARE.task) == 0


def test_random_seed_is_reported(client: TestClient, tmp_path: Path) -> None:
    first, second = (submit(client, tmp_path, params=None).json() for _ in range(2))
    seeds = {first["params"]["seed"], second["params"]["seed"]}
    assert len(seeds) == 2
    assert None not in seeds


@pytest.mark.parametrize(
    ("changes", "status", "code", "says"),
    [
        ({"driving": b"just text\n" * 100}, 422, "invalid_video", "not a video"),
        ({"image": samples.png(1, 1)}, 422, "image_too_small", "1x1"),
        ({"image": samples.png_that_declares(30_000, 30_000)}, 422, "image_too_large", "900,000"),
        ({"driving": samples.poses(joints=17)}, 422, "invalid_pose_file", "17 joints"),
        ({"driving": samples.poses(people=0)}, 422, "no_person", "no person"),
        ({"params": b'{"ptm_tau": -1}'}, 422, "invalid_params", "ptm_tau"),
        ({"params": b'{"sed": 1}'}, 422, "invalid_params", "sed"),
        ({"params": b"seed=1"}, 422, "invalid_params", "JSON"),
        ({"params": b'{"context_overlap": 16}'}, 422, "invalid_params", "less than context_size"),
        ({"image": None}, 422, "invalid_request", "image is missing: give either image_url"),
        ({"extra": b"1"}, 422, "invalid_request", "unknown part 'extra'"),
        ({"params": b" " * 100_000}, 413, "body_too_large", "limit of 65536 bytes"),
    ],
)
def test_invalid_submission_is_refused(
    client: TestClient,
    jobs: JobStore,
    folder_settings: Settings,
    tmp_path: Path,
    changes: dict[str, Any],
    status: int,
    code: str,
    says: str,
) -> None:
    expect_problem(submit(client, tmp_path, **changes), status, code, says)
    assert jobs.run(commands.recent(10)).jobs == []
    assert list(folder_settings.spool_folder.iterdir()) == []


def test_each_invalid_parameter_is_reported(client: TestClient, tmp_path: Path) -> None:
    text = b'{"seed": -1, "guidance_scale": "x"}'
    errors = submit(client, tmp_path, params=text).json()["errors"]
    assert [entry["field"] for entry in errors] == ["seed", "guidance_scale"]


def test_body_over_the_limit_is_refused(tmp_path: Path, redis_url: str) -> None:
    limits = {"max_driving_bytes": 1000}
    chosen = {"data": tmp_path / "data", "redis_url": redis_url, "limits": limits}
    with TestClient(create_app(Settings.model_validate(chosen))) as client:
        expect_problem(submit(client, tmp_path), 413, "body_too_large", "limit of 1000 bytes")


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        ("application/json", b"{", 422, "invalid_params"),
        ("application/json", b" " * 100_000, 413, "body_too_large"),
        ("text/plain", b"{}", 415, "unsupported_media_type"),
        ("multipart/form-data", b"x", 400, "malformed_body"),
        ("multipart/form-data; boundary=b", b"garbage", 400, "malformed_body"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disp", 400, "malformed_body"),
        ("multipart/form-data; boundary=" + "b" * 300, b"", 400, "malformed_body"),
        ("", b"", 415, "unsupported_media_type"),
    ],
)
def test_malformed_body_is_refused(
    client: TestClient, content_type: str, body: bytes, status: int, code: str
) -> None:
    answer = client.post("/animate", content=body, headers={"Content-Type": content_type})
    expect_problem(answer, status, code)


def test_job_view_shows_the_progress_of_the_worker(
    client: TestClient, jobs: JobStore, tmp_path: Path
) -> None:
    job_id = submit(client, tmp_path).json()["id"]
    waiting = client.get(f"/jobs/{job_id}")
    assert (waiting.json()["queue_position"], waiting.json()["stage"]) == (0, "prepare")
    assert "retry-after" in waiting.headers
    token = render(jobs, job_id).token
    progress = Progress(stage="denoise", step=5, steps=20, fraction=0.3, eta_s=9.0)
    jobs.run(commands.renew(job_id, token, LEASE_MS, progress))
    running = client.get(f"/jobs/{job_id}").json()
    assert (running["status"], running["stage"]) == ("running", "denoise")
    assert running["progress"] == {"step": 5, "steps": 20, "fraction": 0.3, "eta_s": 9.0}
    assert running["queue_position"] is None
    created, started = (datetime.fromisoformat(running[f"{name}_at"]) for name in BEGINNINGS)
    assert started >= created


def test_result_supports_range_requests(
    any_client: TestClient, settings: Settings, jobs: JobStore, tmp_path: Path
) -> None:
    job_id = submit(any_client, tmp_path).json()["id"]
    token = render(jobs, job_id).token
    file = samples.write_video(tmp_path / "result.mp4", frames=20)
    content = file.read_bytes()
    key = f"jobs/{job_id}/{token}/result.mp4"
    open_objects(settings).put(key, file)
    jobs.run(commands.succeed(job_id, token, {Output.RESULT: key}, []))
    job = any_client.get(f"/jobs/{job_id}").json()
    assert (job["status"], job["progress"]["fraction"]) == ("succeeded", 1.0)
    assert job["links"]["result"] == f"/jobs/{job_id}/result"
    assert "poster" not in [name for name, link in job["links"].items() if link]
    link = any_client.get(job["links"]["result"], follow_redirects=False)
    assert link.status_code == 307
    fetch = any_client.get if link.headers["location"].startswith("/") else httpx.get
    whole = fetch(link.headers["location"])
    part = fetch(link.headers["location"], headers={"Range": "bytes=10-19"})
    assert (whole.status_code, whole.content) == (200, content)
    assert whole.headers["content-type"] == "video/mp4"
    assert f"tcan-{job_id[:8]}-result.mp4" in whole.headers["content-disposition"]
    assert (part.status_code, part.content) == (206, content[10:20])
    link = any_client.head(job["links"]["result"], follow_redirects=False)
    head = any_client.head if link.headers["location"].startswith("/") else httpx.head
    answer = head(link.headers["location"])
    assert (answer.status_code, answer.headers["content-length"]) == (200, str(len(content)))
    expect_problem(any_client.get(f"/jobs/{job_id}/poster"), 404, "no_result", "no output poster")


def test_missing_result_is_explained(client: TestClient, jobs: JobStore, tmp_path: Path) -> None:
    job_id = submit(client, tmp_path).json()["id"]
    early = client.get(f"/jobs/{job_id}/result")
    expect_problem(early, 409, "result_not_ready", "the job is queued")
    assert "retry-after" in early.headers
    token = render(jobs, job_id).token
    error = JobError.of(ErrorCode.NO_PERSON, "no person in 40 frames", stage="prepare")
    jobs.run(commands.fail(job_id, token, error))
    job = client.get(f"/jobs/{job_id}").json()
    assert (job["status"], job["error"]["code"]) == ("failed", "no_person")
    late = client.get(f"/jobs/{job_id}/result")
    expect_problem(late, 404, "no_result", "the job failed: no person in 40 frames")


def test_altered_link_is_refused(client: TestClient) -> None:
    query = {"filename": "x", "expires": "99999999999", "signature": "00"}
    answer = client.get("/objects/jobs/a/result.mp4", params=query)
    expect_problem(answer, 403, "invalid_signature")
    expect_problem(client.get("/objects/jobs/a"), 422, "invalid_request", "filename")


def test_cancel_ends_a_queued_job_and_marks_a_running_one(
    client: TestClient, jobs: JobStore, tmp_path: Path
) -> None:
    waiting, running = (submit(client, tmp_path).json()["id"] for _ in range(2))
    render(jobs, running)
    for _ in range(2):
        assert client.post(f"/jobs/{waiting}/cancel").json()["status"] == "canceled"
        answer = client.post(f"/jobs/{running}/cancel").json()
        assert (answer["status"], answer["cancel_requested"]) == ("running", True)


def test_an_ended_job_is_erased_with_its_objects(
    any_client: TestClient, settings: Settings, jobs: JobStore, tmp_path: Path
) -> None:
    job_id = submit(any_client, tmp_path).json()["id"]
    snapshot = jobs.run(commands.read(job_id))
    assert snapshot is not None
    live = any_client.delete(f"/jobs/{job_id}")
    expect_problem(live, 409, "job_not_ended", "the job is queued")
    any_client.post(f"/jobs/{job_id}/cancel")
    assert any_client.get(f"/jobs/{job_id}").json()["expires_at"] is not None
    assert any_client.delete(f"/jobs/{job_id}").status_code == 204
    assert not open_objects(settings).exists(snapshot.record.inputs.image or "")
    expect_problem(any_client.get(f"/jobs/{job_id}"), 404, "job_not_found")
    expect_problem(any_client.delete(f"/jobs/{job_id}"), 404, "job_not_found")


def test_job_of_another_caller_is_not_found(
    client: TestClient, jobs: JobStore, tmp_path: Path
) -> None:
    mine = jobs.run(commands.read(submit(client, tmp_path).json()["id"]))
    assert mine is not None
    jobs.run(commands.create("ab", JobParams(), mine.record.inputs, caller="other"))
    for answer in (
        client.get("/jobs/ab"),
        client.post("/jobs/ab/cancel"),
        client.delete("/jobs/ab"),
        client.get("/jobs/ab/result"),
    ):
        expect_problem(answer, 404, "job_not_found")


def test_unknown_path_is_answered_with_a_problem(client: TestClient) -> None:
    expect_problem(client.get("/nowhere"), 404, "not_found")
    expect_problem(client.get("/jobs/abc"), 404, "job_not_found", "'abc'")
    expect_problem(client.post("/jobs/abc/cancel"), 404, "job_not_found")
    expect_problem(client.get("/jobs/abc/result"), 404, "job_not_found")
    wrong = client.delete("/healthz")
    expect_problem(wrong, 405, "method_not_allowed")
    assert wrong.headers["allow"] == "GET, HEAD"


def test_readiness_requires_a_ready_worker_of_each_queue(
    client: TestClient, jobs: JobStore
) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    expect_problem(client.get("/readyz"), 503, "unavailable", "no worker is ready for: prepare")
    worker = {"id": "w", "queues": ("prepare", "render"), "preset": "mini", "ready": False}
    jobs.run(presence.heartbeat(WorkerInfo.model_validate(worker), 60_000))
    expect_problem(client.get("/readyz"), 503, "unavailable", "(1 alive)")
    jobs.run(presence.heartbeat(WorkerInfo.model_validate({**worker, "ready": True}), 60_000))
    assert client.get("/readyz").json()["workers"][0]["id"] == "w"


def test_liveness_probe_passes_when_redis_is_down(tmp_path: Path, unused_url: str) -> None:
    chosen = Settings.model_validate({"data": tmp_path / "data", "redis_url": unused_url})
    with TestClient(create_app(chosen)) as client:
        assert client.get("/healthz").status_code == 200
        for answer in (client.get("/readyz"), client.get("/jobs/abc"), submit(client, tmp_path)):
            expect_problem(answer, 503, "unavailable")
            assert "retry-after" in answer.headers
            assert unused_url not in answer.text


def test_models_lists_the_models_loaded_by_workers(client: TestClient, jobs: JobStore) -> None:
    assert client.get("/models").json() == {"models": []}
    model = PaintAnimator().describe()
    for name in ("a", "b"):
        info = WorkerInfo(id=name, queues=(Queue.RENDER,), preset="p", ready=True, model=model)
        jobs.run(presence.heartbeat(info, 60_000))
    [shown] = client.get("/models").json()["models"]
    assert shown == {**model.model_dump(mode="json"), "workers": 2}
