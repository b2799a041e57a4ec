"""Estimates of queued jobs compared with what happens, with several numbers of workers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from service.contract.job import JobKind
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.views import Eta
from service.contract.workers import WorkerInfo
from service.stores.job_store import commands, presence
from service.stores.job_store.store import JobStore
from service.views.eta import estimate
from tests.service.job_driver import INPUTS

JOB_MS = 10_000
LONG_MS = 10**9


class Shop:
    """Simulated workers with jobs of equal length and their own clock."""

    def __init__(self, url: str) -> None:
        self.now_ms = 1_760_000_000_000
        self.jobs = JobStore(Redis.from_url(url, decode_responses=True), lambda: self.now_ms)

    def open(self, workers: int, *queues: Queue, ready: bool = True, ttl_ms: int = LONG_MS) -> None:
        """Register workers of these queues."""
        for number in range(workers):
            name = f"{'-'.join(queues)}-{number}"
            info = WorkerInfo(id=name, queues=queues, preset="p", ready=ready)
            self.jobs.run(presence.heartbeat(info, ttl_ms))

    def submit(self, *job_ids: str, kind: JobKind = JobKind.POSES) -> None:
        for job_id in job_ids:
            self.now_ms += 1
            self.jobs.run(commands.create(job_id, JobParams(), INPUTS, kind=kind))

    def take(self, job_id: str, queue: Queue = Queue.PREPARE) -> int:
        record = self.jobs.run(commands.claim(job_id, queue, "w", LONG_MS))
        assert record is not None
        return record.token

    def remember_one(self, kind: JobKind = JobKind.POSES) -> None:
        """Finish a job, on which estimates are based."""
        self.submit("earlier", kind=kind)
        token = self.take("earlier")
        self.now_ms += JOB_MS
        self.jobs.run(commands.succeed("earlier", token, {}, []))

    def eta(self, job_id: str) -> Eta | None:
        snapshot = self.jobs.run(commands.read(job_id))
        assert snapshot is not None
        return estimate(snapshot)

    def seconds(self, job_id: str) -> float:
        eta = self.eta(job_id)
        assert eta is not None
        return eta.seconds


@pytest.fixture
def shop(redis_url: str) -> Iterator[Shop]:
    made = Shop(redis_url)
    yield made
    made.jobs.close()


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_estimates_of_queued_jobs_are_accurate(shop: Shop, workers: int) -> None:
    """The error is less than a job's duration, and almost zero with one worker."""
    shop.remember_one()
    shop.open(workers, Queue.PREPARE)
    names = [f"{number:02d}" for number in range(12)]
    shop.submit(*names)
    estimates: dict[str, list[tuple[int, float]]] = {name: [] for name in names}
    ended: dict[str, int] = {}
    for first in range(0, len(names), workers):
        at_work = {name: shop.take(name) for name in names[first : first + workers]}
        shop.now_ms += JOB_MS // 2
        for name in names[first + workers :]:
            estimates[name].append((shop.now_ms, shop.seconds(name)))
        shop.now_ms += JOB_MS // 2
        for name, token in at_work.items():
            shop.jobs.run(commands.succeed(name, token, {}, []))
            ended[name] = shop.now_ms
    off_s = [
        abs(now_ms / 1000 + seconds - ended[name] / 1000)
        for name, entries in estimates.items()
        for now_ms, seconds in entries
    ]
    assert len(off_s) == sum(range(0, 12, workers))
    assert max(off_s) < (0.2 if workers == 1 else JOB_MS / 1000)


def test_estimate_without_queueing_when_a_worker_is_free(shop: Shop) -> None:
    shop.remember_one()
    shop.open(3, Queue.PREPARE)
    shop.submit("a", "b", "c")
    shop.take("a")
    assert shop.seconds("b") == shop.seconds("c") == JOB_MS / 1000


def test_estimate_uses_the_queue_with_the_fewest_workers(shop: Shop) -> None:
    shop.remember_one(JobKind.ANIMATE)
    shop.open(4, Queue.PREPARE)
    shop.open(1, Queue.RENDER)
    shop.submit("a", "b", "c", kind=JobKind.ANIMATE)
    shop.jobs.run(commands.hand_over("a", shop.take("a"), Queue.RENDER, "p", []))
    shop.take("b", Queue.PREPARE)
    # "a" waits for the one worker that renders, "b" is at work: a job and a half before its own.
    assert shop.seconds("c") == pytest.approx(2.5 * JOB_MS / 1000, rel=0.01)


def test_no_estimate_without_a_worker(shop: Shop) -> None:
    shop.remember_one()
    shop.submit("a")
    assert shop.eta("a") is None
    shop.open(1, Queue.PREPARE, ready=False)
    assert shop.eta("a") is None
    shop.open(1, Queue.PREPARE, ttl_ms=100)
    assert shop.eta("a") is not None
    shop.now_ms += 101
    assert shop.eta("a") is None
    shop.open(1, Queue.PREPARE)
    shop.jobs.run(presence.deregister("prepare-0"))
    assert shop.eta("a") is None
