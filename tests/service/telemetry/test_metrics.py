"""GET /metrics, with real jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from service.contract.errors import ErrorCode, JobError
from service.contract.job import DrivingKind, JobInputs, Progress
from service.contract.options import JobOptions, Priority
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.webhooks import Webhook
from service.contract.workers import DeviceMemory, DiskSpace, WorkerInfo
from service.stores.job_store import commands, presence
from service.stores.job_store.store import JobStore
from tests.servers import free_port, wait_until
from tests.service.job_driver import expire_lease, reclaim_expired

INPUTS = JobInputs(
    image="jobs/a/image.png", driving="jobs/a/driving.mp4", driving_kind=DrivingKind.VIDEO
)
LEASE_MS = 60_000
Sample = tuple[str, tuple[tuple[str, str], ...]]


class Metrics:
    """Samples of a response by name and labels."""

    def __init__(self, client: TestClient) -> None:
        answer = client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        self.samples: dict[Sample, float] = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        return self.samples[name, tuple(sorted(labels.items()))]


@pytest.fixture
def working(jobs: JobStore) -> Iterator[JobStore]:
    """Jobs: one waiting, one leased, one succeeded, one failed, one with a lost worker."""
    for job_id in ("waits", "works", "done", "bad", "lost"):
        jobs.run(commands.create(job_id, JobParams(seed=7), INPUTS))
    tokens = {}
    for job_id in ("works", "done", "bad", "lost"):
        taken = jobs.run(commands.claim(job_id, Queue.PREPARE, "w", LEASE_MS))
        assert taken is not None
        tokens[job_id] = taken.token
    error = JobError.of(ErrorCode.NO_PERSON, "no person", stage="prepare")
    jobs.run(commands.fail("bad", tokens["bad"], error))
    jobs.run(commands.hand_over("done", tokens["done"], Queue.RENDER, "p", [], {"prepare": 0.5}))
    taken = jobs.run(commands.claim("done", Queue.RENDER, "w", LEASE_MS))
    assert taken is not None
    for step in (1, 4, 10):
        progress = Progress(stage="denoise", step=step, steps=10, fraction=0.5)
        jobs.run(commands.renew("done", taken.token, LEASE_MS, progress))
    jobs.run(commands.succeed("done", taken.token, {}, [], {"prepare": 0.5, "denoise": 2.0}))
    expire_lease(jobs, "lost")
    reclaim_expired(jobs)
    memory = DeviceMemory(device="cuda:0", used_bytes=3, total_bytes=8)
    info = WorkerInfo(
        id="w",
        queues=tuple(Queue),
        preset="mini",
        ready=True,
        memory=memory,
        scratch=DiskSpace(free_bytes=1, total_bytes=4),
    )
    jobs.run(presence.heartbeat(info, LEASE_MS))
    yield jobs


def test_metrics_count_jobs_queues_and_workers(client: TestClient, working: JobStore) -> None:
    metrics = Metrics(client)
    assert metrics("tcan_queue_jobs", queue="prepare") == 2
    assert metrics("tcan_queue_class_jobs", queue="prepare", priority="normal") == 2
    assert metrics("tcan_queue_class_jobs", queue="prepare", priority="high") == 0
    assert metrics("tcan_jobs_at_work", queue="prepare") == 1
    assert metrics("tcan_preset_jobs_at_work", queue="prepare", preset="mini") == 1
    assert metrics("tcan_preset_jobs_at_work", queue="render", preset="mini") == 0
    assert metrics("tcan_queue_preset_jobs", queue="prepare", preset="mini") == 0
    assert metrics("tcan_jobs_ended_total", state="succeeded", code="") == 1
    assert metrics("tcan_jobs_ended_total", state="failed", code="no_person") == 1
    assert metrics("tcan_leases_lost_total", queue="prepare") == 1
    assert metrics("tcan_denoising_steps_total") == 10
    assert metrics("tcan_stage_seconds_sum", stage="denoise") == 2.0
    assert metrics("tcan_stage_seconds_count", stage="denoise") == 1
    assert metrics("tcan_worker_ready", worker="w") == 1
    assert metrics("tcan_device_memory_used_bytes", worker="w", device="cuda:0") == 3
    assert metrics("tcan_scratch_free_bytes", holder="w") == 1
    assert metrics("tcan_scratch_bytes", holder="w") == 4
    room = metrics("tcan_scratch_bytes", holder="gateway")
    assert 0 < metrics("tcan_scratch_free_bytes", holder="gateway") <= room


def test_metrics_show_waiting_jobs_that_name_a_preset(client: TestClient, jobs: JobStore) -> None:
    for name, preset in (("a", "mini"), ("b", None), ("c", "mini")):
        jobs.run(commands.create(name, JobParams(preset=preset), INPUTS))
    assert Metrics(client)("tcan_queue_preset_jobs", queue="prepare", preset="mini") == 2


def test_metrics_show_waiting_jobs_by_priority(client: TestClient, jobs: JobStore) -> None:
    for priority, made in ((Priority.LOW, 3), (Priority.HIGH, 1)):
        for n in range(made):
            options = JobOptions(priority=priority)
            jobs.run(commands.create(f"{priority}{n}", JobParams(), INPUTS, options=options))
    hour_ago = time.time() * 1000 - 3_600_000
    jobs.redis.zadd("tcan:waiting:prepare:age:low", {"low1": hour_ago})
    metrics = Metrics(client)
    waiting = {p: metrics("tcan_queue_class_jobs", queue="prepare", priority=p) for p in Priority}
    assert waiting == {Priority.HIGH: 1, Priority.NORMAL: 0, Priority.LOW: 3}
    assert sum(waiting.values()) == metrics("tcan_queue_jobs", queue="prepare")
    ages = {p: metrics("tcan_queue_oldest_seconds", queue="prepare", priority=p) for p in Priority}
    assert ages[Priority.LOW] == pytest.approx(3600, abs=30)
    assert 0 <= ages[Priority.HIGH] < 30
    assert ages[Priority.NORMAL] == 0
    for job_id in ("low0", "low1", "low2"):
        jobs.run(commands.cancel(job_id))
    emptied = Metrics(client)("tcan_queue_oldest_seconds", queue="prepare", priority="low")
    assert emptied == 0


def test_metrics_count_webhook_attempts(client: TestClient, jobs: JobStore) -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    options = JobOptions(webhook=Webhook(url=url))
    jobs.run(commands.create("a", JobParams(seed=7), INPUTS, options=options))
    jobs.run(commands.cancel("a"))
    name = ("tcan_webhook_attempts_total", (("event", "job.canceled"), ("outcome", "retried")))
    wait_until(lambda: Metrics(client).samples.get(name) == 1, "a failed attempt is counted")
    assert Metrics(client)("tcan_webhooks_due") == 1
    callers = [Metrics(client)("tcan_webhook_callers", level=str(level)) for level in range(4)]
    assert callers == [1, 0, 0, 0]


def test_metrics_count_stored_and_expired_jobs(client: TestClient, jobs: JobStore) -> None:
    assert Metrics(client)("tcan_jobs_stored") == 0
    for job_id in ("a", "b"):
        jobs.run(commands.create(job_id, JobParams(), INPUTS))
        jobs.run(commands.cancel(job_id))
    # The sweeper of this gateway must not be the one that erases it.
    jobs.redis.set("tcan:role:sweeper", "another", px=3_600_000)
    jobs.redis.zadd("tcan:expiries", {"a": 0})
    metrics = Metrics(client)
    assert (metrics("tcan_jobs_stored"), metrics("tcan_jobs_expired")) == (2, 1)


def test_metrics_show_what_uploads_and_bodies_hold(client: TestClient) -> None:
    gateway = client.app.state.gateway  # type: ignore[attr-defined]
    for _ in range(2):
        client.post("/uploads")
    with gateway.open_spool("me") as spool:
        spool.reserve("body", 5000)
        spool.hold(700)
        metrics = Metrics(client)
    held = (metrics("tcan_spool_reserved_bytes"), metrics("tcan_body_memory_bytes"))
    assert (*held, metrics("tcan_uploads_stored")) == (5000, 700, 2)
    metrics = Metrics(client)
    assert (metrics("tcan_spool_reserved_bytes"), metrics("tcan_body_memory_bytes")) == (0, 0)


def test_requests_are_counted_by_route_and_get_an_id(client: TestClient) -> None:
    client.get("/jobs/one")
    answer = client.get("/jobs/two", headers={"X-Request-Id": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    strange = client.get("/jobs/two", headers={"X-Request-Id": "a b\tc"})
    assert strange.headers["x-request-id"] not in ("", "a b\tc")
    client.get("/nothing/here")
    metrics = Metrics(client)
    labels = {"method": "GET", "route": "/jobs/{job_id}", "status": "404"}
    assert metrics("tcan_http_request_seconds_count", **labels) == 3
    unknown = {"method": "ANY", "route": "unknown", "status": "404"}
    assert metrics("tcan_http_request_seconds_count", **unknown) == 1
