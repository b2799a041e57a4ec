"""State changes of a job, made in place of gateway and workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from service.contract.errors import ErrorCode, JobError
from service.contract.job import DrivingKind, JobInputs, Output, Progress
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.states import JobState
from service.stores.job_store import commands, events
from service.stores.job_store.snapshots import JobSnapshot
from service.stores.job_store.store import JobStore

LEASE_MS = 60_000
INPUTS = JobInputs(
    image="jobs/a/image.png", driving="jobs/a/driving.mp4", driving_kind=DrivingKind.VIDEO
)
OUTPUTS = {Output.RESULT: "jobs/a/1/result.mp4"}
BROKEN = JobError.of(ErrorCode.NO_PERSON, "no person found", stage="prepare")


def step(number: int, steps: int = 20) -> Progress:
    """Return a progress of denoising."""
    return Progress(stage="denoise", step=number, steps=steps, fraction=number / steps)


# Also runs when Valkey is out of memory.
EXPIRE = """#!lua flags=allow-oom
for _, id in ipairs(ARGV) do redis.call('ZADD', 'tcan:leases', 'XX', 0, id) end
"""


def expire_lease(jobs: JobStore, *job_ids: str) -> None:
    """Expire the leases of jobs."""
    jobs.redis.eval(EXPIRE, 0, *job_ids)


def reclaim_expired(jobs: JobStore) -> list[tuple[str, Queue]]:
    """Reclaim the jobs with expired leases.

    The large `silence_ms` keeps a slow machine from looking like an unreachable store.
    """
    return jobs.run(commands.reclaim_expired(3, silence_ms=3_600_000))


def take_from_worker(jobs: JobStore, job_id: str) -> list[tuple[str, Queue]]:
    """Reclaim a job whose live worker may renew the lease right after it expires."""
    taken: list[tuple[str, Queue]] = []
    while not taken:
        expire_lease(jobs, job_id)
        taken = reclaim_expired(jobs)
    return taken


def lease_end_ms(jobs: JobStore, job_id: str) -> float:
    """Return when the job's lease expires without renewal; 0 if no worker holds it."""
    return float(jobs.redis.zscore("tcan:leases", job_id) or 0)


def was_released(jobs: JobStore, job_id: str) -> bool:
    """Return whether the job was queued again after a worker had begun to render it."""
    job_events = jobs.run(events.events(job_id, 0, 10_000))
    states = [event.snapshot.record.state for event in job_events]
    return (
        JobState.RUNNING in states and JobState.QUEUED in states[states.index(JobState.RUNNING) :]
    )


class JobDriver:
    """A driver of one job that makes one state change at a time."""

    def __init__(self, jobs: JobStore, job_id: str = "a") -> None:
        self.jobs, self.id = jobs, job_id
        self.token = 0

    def create(self) -> None:
        self.jobs.run(commands.create(self.id, JobParams(seed=7), INPUTS))

    def take(self, queue: Queue) -> None:
        record = self.jobs.run(commands.claim(self.id, queue, "w", LEASE_MS))
        assert record is not None
        self.token = record.token

    def advance(self, number: int, steps: int = 20) -> None:
        self.jobs.run(commands.renew(self.id, self.token, LEASE_MS, step(number, steps)))

    def hand_over(self) -> None:
        self.jobs.run(commands.hand_over(self.id, self.token, Queue.RENDER, "jobs/a/p.json", ["w"]))

    def succeed(self) -> None:
        self.jobs.run(commands.succeed(self.id, self.token, OUTPUTS, ["w"], {"denoise": 1.5}))

    def preview(self, key: str) -> None:
        self.jobs.run(commands.add_preview(self.id, self.token, key))

    def release(self) -> None:
        self.jobs.run(commands.release(self.id, self.token))

    def lose_worker(self) -> None:
        expire_lease(self.jobs, self.id)
        reclaim_expired(self.jobs)

    def life(self) -> Iterator[Callable[[], None]]:
        """Yield every change of a job that loses a worker, is queued twice and succeeds."""
        yield self.create
        yield lambda: self.take(Queue.PREPARE)
        yield self.lose_worker
        yield lambda: self.take(Queue.PREPARE)
        yield self.hand_over
        yield lambda: self.take(Queue.RENDER)
        yield lambda: self.preview("jobs/a/2/previews/1.webp")
        for number in (2, 3):
            yield lambda number=number: self.advance(number)  # type: ignore[misc]
        yield self.release
        yield lambda: self.take(Queue.RENDER)
        yield lambda: self.advance(20)
        yield self.succeed

    def snapshot(self) -> JobSnapshot:
        snapshot = self.jobs.run(commands.read(self.id))
        assert snapshot is not None
        return snapshot

    def events(self, after: int = 0) -> list[events.JobEvent]:
        return self.jobs.run(events.events(self.id, after))
