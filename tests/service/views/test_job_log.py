"""A job's log, from its events and webhook messages."""

from __future__ import annotations

from starlette.testclient import TestClient

from service.contract.errors import ErrorCode, JobError
from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.webhooks import Attempt, DeliveryState, Webhook
from service.stores.job_store import commands, deliveries
from service.stores.job_store.store import JobStore
from service.views.job_log import job_log
from tests.service.job_driver import INPUTS, JobDriver, step

HOST = "studio-worker-17.internal:4242"


def log_of(driver: JobDriver) -> list[str]:
    """Return the messages of the job's log."""
    messages = driver.jobs.run(deliveries.deliveries(driver.id))
    return [entry.message for entry in job_log(driver.events(), messages)]


def test_log_has_states_attempts_stages_and_warnings_in_order(jobs: JobStore) -> None:
    driver = JobDriver(jobs)
    for change in driver.life():
        change()
    assert log_of(driver) == [
        "queued for prepare",
        "a worker started attempt 1 of prepare",
        "the worker was lost; queued for prepare again",
        "a worker started attempt 2 of prepare",
        "w",
        "queued for render",
        "a worker started attempt 1 of render",
        "stage denoise began",
        "the worker gave the job back; queued for render again",
        "a worker started attempt 1 of render",
        "stage denoise began",
        "succeeded",
    ]


def test_log_has_failures_cancellations_and_deliveries(jobs: JobStore) -> None:
    driver = JobDriver(jobs)
    webhook = Webhook(url="http://a.example/")
    jobs.run(commands.create("a", JobParams(), INPUTS, options=JobOptions(webhook=webhook)))
    driver.take(Queue.PREPARE)
    jobs.run(commands.cancel("a"))
    jobs.run(commands.fail("a", driver.token, JobError.of(ErrorCode.NO_PERSON, "no person")))
    jobs.run(commands.create("b", JobParams(), INPUTS, options=JobOptions(webhook=webhook)))
    token = JobDriver(jobs, "b")
    token.take(Queue.PREPARE)
    jobs.run(commands.fail("b", token.token, JobError.of(ErrorCode.NO_PERSON, "no person")))
    assert log_of(driver)[2:] == ["cancellation was requested", "canceled"]
    for message in jobs.run(deliveries.claim([9] * 4, 1000, [9] * 4, {})):
        at_ms = driver.snapshot().now_ms + 5
        for attempt in (
            Attempt(at_ms=at_ms, took_ms=1, error="the connection was refused"),
            Attempt(at_ms=at_ms + 1, took_ms=1, status=200),
        ):
            jobs.run(deliveries.settle(message.delivery, attempt, DeliveryState.PENDING, 0))
    assert log_of(token)[2:] == [
        "failed: no person (no_person)",
        "webhook message 1 (job.failed) not delivered: the connection was refused",
        "webhook message 1 (job.failed) delivered: HTTP 200",
    ]


def test_log_names_no_worker(client: TestClient, jobs: JobStore) -> None:
    jobs.run(commands.create("a", JobParams(), INPUTS))
    record = jobs.run(commands.claim("a", Queue.PREPARE, HOST, 60_000))
    assert record is not None
    for number in range(3):
        jobs.run(commands.renew("a", record.token, 60_000, step(number)))
    answer = client.get("/jobs/a/logs")
    assert answer.status_code == 200
    entries = answer.json()["entries"]
    assert [(entry["kind"], entry["status"], entry["attempt"]) for entry in entries] == [
        ("state", "queued", None),
        ("state", "preparing", 1),
        ("stage", "preparing", None),
    ]
    assert HOST.split(":")[0] not in answer.text and "jobs/a/image.png" not in answer.text
    assert client.get("/jobs/b/logs").json()["code"] == "job_not_found"
