"""Estimates of queued jobs compared with what happens, with several numbers of workers."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import pytest
from redis import Redis

from service.contract.job import JobKind, Progress
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.views import Eta
from service.contract.workers import WorkerInfo
from service.stores.job_store import commands, presence
from service.stores.job_store.snapshots import JobSnapshot
from service.stores.job_store.store import JobStore
from service.views.eta import estimate
from service.views.job_views import view
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

    def submit(self, *job_ids: str, kind: JobKind = JobKind.POSES, frames: int = 1) -> None:
        inputs = INPUTS.model_copy(update={"frames": frames})
        for job_id in job_ids:
            self.now_ms += 1
            self.jobs.run(commands.create(job_id, JobParams(), inputs, kind=kind))

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

    def read(self, job_id: str) -> JobSnapshot:
        snapshot = self.jobs.run(commands.read(job_id))
        assert snapshot is not None
        return snapshot

    def eta(self, job_id: str) -> Eta | None:
        return estimate(self.read(job_id))

    def elapsed_ms(self, job_id: str) -> int:
        """Return the time since a worker took the job."""
        return self.now_ms - (self.read(job_id).record.taken_ms or 0)

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
    # "a" waits for the one worker that renders, "b" has just begun: two jobs before its own.
    assert shop.seconds("c") == pytest.approx(3 * JOB_MS / 1000, rel=0.01)


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


# Frames of 20 jobs, and the time that a worker takes: two seconds, and half a second for each.
FRAMES = (8, 64, 4, 32, 16, 48, 4, 12, 24, 64, 8, 8, 32, 16, 4, 48, 24, 12, 64, 4)


def duration_ms(frames: int, number: int) -> int:
    """Return the duration of a job; every third is a fifth slower, every third a fifth faster."""
    return round((2000 + 500 * frames) * (1.0, 1.2, 0.8)[number % 3])


def test_error_of_estimates_shrinks_with_jobs_of_mixed_length(shop: Shop) -> None:
    shop.open(1, Queue.PREPARE)
    errors = []
    for number, frames in enumerate(FRAMES):
        name, took_ms = f"{number:02d}", duration_ms(frames, number)
        shop.submit(name, frames=frames)
        eta = shop.eta(name)
        if eta is not None:
            errors.append(abs(eta.seconds - took_ms / 1000) / (took_ms / 1000))
        token = shop.take(name)
        shop.now_ms += took_ms
        shop.jobs.run(commands.succeed(name, token, {}, []))
    assert len(errors) == 19
    # The fifth job is the fourth with an estimate.
    assert statistics.median(errors[3:]) < 0.25
    assert max(errors[9:]) < max(errors[:9])


def test_jobs_before_a_waiting_one_count_by_their_size(shop: Shop) -> None:
    shop.remember_one()
    shop.open(1, Queue.PREPARE)
    for name, frames in (("a", 8), ("b", 1), ("c", 4), ("d", 1)):
        shop.submit(name, frames=frames)
    shop.take("a")
    shop.now_ms += 3 * JOB_MS
    # Five eighths of the first job are left, then come one job of 1, of 4, and its own of 1.
    assert shop.seconds("d") == pytest.approx((5 + 1 + 4 + 1) * JOB_MS / 1000, rel=0.01)


def test_running_job_is_estimated_from_past_jobs_and_its_own_progress(shop: Shop) -> None:
    shop.remember_one()
    shop.open(1, Queue.PREPARE)
    shop.submit("a", frames=10)
    token = shop.take("a")
    expected_s = 10 * JOB_MS / 1000
    assert shop.seconds("a") == pytest.approx(expected_s, rel=0.01)
    # It is half as fast as expected: the further it is, the more its own speed counts.
    for done, seconds in ((0.25, 0.25 * 150 + 0.75 * 50), (0.5, 0.5 * 100 + 0.5 * 5), (0.9, 20.05)):
        shop.now_ms += round(2 * expected_s * 1000 * done) - shop.elapsed_ms("a")
        progress = Progress(stage="prepare", step=1, steps=9, fraction=done)
        shop.jobs.run(commands.renew("a", token, LONG_MS, progress))
        assert shop.seconds("a") == pytest.approx(seconds, rel=0.06)


def test_running_job_is_never_shown_as_ended(shop: Shop) -> None:
    shop.remember_one()
    shop.open(1, Queue.PREPARE)
    shop.submit("a")
    token = shop.take("a")
    for fraction in (0.0, 0.5, 1.0):
        for later_ms in (0, JOB_MS, 100 * JOB_MS):
            shop.now_ms += later_ms
            progress = Progress(stage="prepare", step=1, steps=1, fraction=fraction, eta_s=0.0)
            shop.jobs.run(commands.renew("a", token, LONG_MS, progress))
            assert shop.seconds("a") >= 0.1
            assert view(shop.read("a").record).progress.eta_s is None
