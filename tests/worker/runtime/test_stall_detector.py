"""A worker that ignores waiting messages is detected, reported and restarted."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from service.api.app import create_app
from service.contract.queues import Queue
from service.settings import Settings
from service.stores.job_store import counts, presence
from service.stores.job_store.store import JobStore
from tests.worker.conftest import Desk
from tests.worker.paint import PaintAnimator
from worker.job_runner import JobRunner
from worker.runtime.heartbeat import Heartbeat
from worker.runtime.stall_detector import StallDetector


class DetectedWorker:
    """A runner with a stall detector and an injected clock."""

    def __init__(self, jobs: JobStore, runner: JobRunner) -> None:
        self.jobs, self.runner, self.now_s, self.restarts = jobs, runner, 0.0, 0
        memory = PaintAnimator().memory
        self.heartbeat = Heartbeat(jobs, "w1", tuple(Queue), "paint", memory, runner.scratch)
        self.heartbeat.report_ready(PaintAnimator().describe())
        self.detector = StallDetector(
            runner, self.heartbeat, tuple(Queue), 10.0, self._restart, self._clock
        )

    def pass_s(self, seconds: int) -> int:
        """Check once a second and return the number of restarts so far."""
        for _ in range(seconds):
            self.now_s += 1.0
            self.detector.check()
        return self.restarts

    def add_hint(self) -> None:
        self.jobs.redis.lpush(Queue.RENDER.task, "a hint")

    def _restart(self) -> None:
        self.restarts += 1

    def _clock(self) -> float:
        return self.now_s


@pytest.fixture
def worker(jobs: JobStore, runner: JobRunner) -> DetectedWorker:
    return DetectedWorker(jobs, runner)


def test_worker_that_ignores_hints_for_too_long_is_restarted(worker: DetectedWorker) -> None:
    worker.add_hint()
    assert worker.pass_s(9) == 0
    assert worker.pass_s(2) == 1
    [info] = worker.jobs.run(presence.workers())
    assert (info.ready, info.stalled) == (False, True)
    assert worker.jobs.run(counts.service_stats()).counters["worker_restarts",] == 1


def test_stalled_worker_shows_in_readiness_and_metrics(
    worker: DetectedWorker, settings: Settings
) -> None:
    with TestClient(create_app(settings)) as client:
        assert client.get("/readyz").status_code == 200
        assert 'tcan_worker_stalled{worker="w1"} 0.0' in client.get("/metrics").text
        worker.add_hint()
        worker.pass_s(11)
        missing = client.get("/readyz")
        assert missing.status_code == 503
        assert missing.json()["detail"].endswith("(1 alive, 1 stalled)")
        memory, scratch = PaintAnimator().memory, settings.spool_folder
        other = Heartbeat(worker.jobs, "w2", tuple(Queue), "paint", memory, scratch)
        other.report_ready(PaintAnimator().describe())
        workers = client.get("/readyz").json()["workers"]
        assert {info["id"]: info["stalled"] for info in workers} == {"w1": True, "w2": False}
        assert 'tcan_worker_stalled{worker="w1"} 1.0' in client.get("/metrics").text


def test_idle_worker_without_hints_is_healthy(worker: DetectedWorker) -> None:
    assert worker.pass_s(100) == 0


def test_worker_that_consumes_some_hints_is_healthy(worker: DetectedWorker) -> None:
    worker.add_hint()
    for _ in range(20):
        worker.runner.run(Queue.RENDER, "none waits")
        assert worker.pass_s(5) == 0


def test_busy_worker_may_ignore_hints(worker: DetectedWorker, desk: Desk) -> None:
    worker.add_hint()
    during: list[int] = []
    painter = PaintAnimator(on_step=lambda step: during.append(worker.pass_s(20)))
    worker.runner.animator = painter
    desk.finish(desk.submit(steps=2))
    assert during == [0, 0]


def test_worker_that_pauses_for_a_store_may_ignore_hints(worker: DetectedWorker) -> None:
    worker.add_hint()
    worker.runner.is_pausing = True
    assert worker.pass_s(60) == 0
    worker.runner.is_pausing = False
    assert worker.pass_s(9) == 0
    assert worker.pass_s(2) == 1


def test_worker_in_shutdown_is_not_restarted(worker: DetectedWorker) -> None:
    worker.add_hint()
    worker.runner.shutdown.begin()
    assert worker.pass_s(30) == 0
