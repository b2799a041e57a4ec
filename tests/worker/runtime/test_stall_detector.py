"""Who takes nothing while hints wait is seen, told of, and starts again."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from service.api.app import create_app
from service.contract.queues import Queue
from service.settings import Settings
from service.stores.job_store import counts, presence
from service.stores.job_store.store import Jobs
from tests.worker.conftest import Desk
from tests.worker.paint import PaintAnimator
from worker.job_runner import JobRunner
from worker.runtime.heartbeat import Heartbeat
from worker.runtime.stall_detector import Watch


class Watched:
    """A watch on a runner, with a clock of its own."""

    def __init__(self, jobs: Jobs, runner: JobRunner) -> None:
        self.jobs, self.runner, self.now_s, self.restarts = jobs, runner, 0.0, 0
        memory = PaintAnimator().memory
        self.alive = Heartbeat(jobs, "w1", tuple(Queue), "paint", memory, runner.scratch)
        self.alive.is_ready(PaintAnimator().describe())
        self.watch = Watch(runner, self.alive, tuple(Queue), 10.0, self._restart, self._clock)

    def pass_s(self, seconds: int) -> int:
        """Restarts after so many looks, one a second."""
        for _ in range(seconds):
            self.now_s += 1.0
            self.watch.act()
        return self.restarts

    def hint(self) -> None:
        self.jobs.redis.lpush(Queue.RENDER.task, "a hint")

    def _restart(self) -> None:
        self.restarts += 1

    def _clock(self) -> float:
        return self.now_s


@pytest.fixture
def watched(jobs: Jobs, runner: JobRunner) -> Watched:
    return Watched(jobs, runner)


def test_hints_that_nobody_takes_for_too_long_restart_the_worker(watched: Watched) -> None:
    watched.hint()
    assert watched.pass_s(9) == 0
    assert watched.pass_s(2) == 1
    [told] = watched.jobs.run(presence.workers())
    assert (told.ready, told.stalled) == (False, True)
    assert watched.jobs.run(counts.service_stats()).counters["worker_restarts",] == 1


def test_a_stalled_worker_shows_in_readiness_and_metrics(
    watched: Watched, settings: Settings
) -> None:
    with TestClient(create_app(settings)) as client:
        assert client.get("/readyz").status_code == 200
        assert 'tcan_worker_stalled{worker="w1"} 0.0' in client.get("/metrics").text
        watched.hint()
        watched.pass_s(11)
        missing = client.get("/readyz")
        assert missing.status_code == 503
        assert missing.json()["detail"].endswith("(1 alive, 1 stalled)")
        memory, scratch = PaintAnimator().memory, settings.spool_folder
        other = Heartbeat(watched.jobs, "w2", tuple(Queue), "paint", memory, scratch)
        other.is_ready(PaintAnimator().describe())
        workers = client.get("/readyz").json()["workers"]
        assert {told["id"]: told["stalled"] for told in workers} == {"w1": True, "w2": False}
        assert 'tcan_worker_stalled{worker="w1"} 1.0' in client.get("/metrics").text


def test_a_worker_without_hints_may_be_idle(watched: Watched) -> None:
    assert watched.pass_s(100) == 0


def test_a_worker_that_takes_some_of_them_is_healthy(watched: Watched) -> None:
    watched.hint()
    for _ in range(20):
        watched.runner.run(Queue.RENDER, "none waits")
        assert watched.pass_s(5) == 0


def test_a_worker_at_work_lets_hints_wait(watched: Watched, desk: Desk) -> None:
    watched.hint()
    during: list[int] = []
    painter = PaintAnimator(on_step=lambda step: during.append(watched.pass_s(20)))
    watched.runner.animator = painter
    desk.finish(desk.submit(steps=2))
    assert during == [0, 0]


def test_a_worker_that_waits_for_a_store_lets_hints_wait(watched: Watched) -> None:
    watched.hint()
    watched.runner.is_pausing = True
    assert watched.pass_s(60) == 0
    watched.runner.is_pausing = False
    assert watched.pass_s(9) == 0
    assert watched.pass_s(2) == 1


def test_a_worker_that_leaves_or_loads_is_not_restarted(watched: Watched) -> None:
    watched.hint()
    watched.runner.shutdown.begin()
    assert watched.pass_s(30) == 0
