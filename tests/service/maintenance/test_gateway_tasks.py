"""A gateway does the maintenance without workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.api.app import create_app
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.settings import Settings
from service.stores.job_store import commands
from service.stores.job_store.store import JobStore
from service.stores.object_store.open import open_objects
from service.telemetry.logs import JsonFormatter
from tests.servers import wait_until
from tests.service.api.test_api import submit
from tests.service.receiver import Receiver, receiving
from tests.service.stores.job_store.records import INPUTS


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.mark.long
def test_gateway_fails_job_after_deadline_without_workers(
    client: TestClient, jobs: JobStore, receiver: Receiver, tmp_path: Path
) -> None:
    options = {"start_deadline_s": 3600, "webhook": {"url": receiver.url}}
    made = submit(client, tmp_path, options=json.dumps(options))
    job_id = made.json()["id"]
    jobs.redis.zadd("tcan:deadlines", {job_id: 0})
    wait_until(lambda: receiver.messages, "the webhook comes")
    [message_body] = [json.loads(message.body) for message in receiver.messages]
    assert (message_body["type"], message_body["data"]["id"]) == ("job.failed", job_id)
    job = client.get(f"/jobs/{job_id}").json()
    assert (job["status"], job["error"]["code"]) == ("failed", "start_deadline")
    with client.stream("GET", f"/jobs/{job_id}/events") as events:
        assert '"code":"start_deadline"' in "".join(events.iter_text())


def test_gateway_requeues_job_of_lost_worker(
    client: TestClient, jobs: JobStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.setFormatter(JsonFormatter())
    job_id = submit(client, tmp_path).json()["id"]
    assert jobs.run(commands.claim(job_id, Queue.PREPARE, "dead", 60_000)) is not None
    jobs.redis.zadd("tcan:leases", {job_id: 0})
    wait_until(lambda: client.get(f"/jobs/{job_id}").json()["status"] == "queued", "it waits")
    wait_until(lambda: jobs.redis.llen(Queue.PREPARE.task) == 2, "another hint is sent")
    lines = [json.loads(text) for text in caplog.text.splitlines()]
    [lost] = [line for line in lines if line["message"].startswith("worker lost")]
    assert lost["job_id"] == job_id


def test_gateway_deletes_expired_objects_without_workers(
    jobs: JobStore, folder_settings: Settings
) -> None:
    objects = open_objects(folder_settings)
    objects.put("jobs/a/inputs/driving.mp4", b"walk")
    jobs.run(commands.create("a", JobParams(), INPUTS))
    jobs.run(commands.cancel("a"))
    jobs.redis.zadd("tcan:expiries", {"a": 0})
    with TestClient(create_app(folder_settings)):
        wait_until(lambda: jobs.run(commands.read("a")) is None, "it is erased")
    assert list(objects.folders("jobs")) == []
