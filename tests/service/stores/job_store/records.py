"""Jobs for the tests of the job store, and a manual clock."""

from __future__ import annotations

from service.contract.errors import ErrorCode, JobError
from service.contract.job import Checkpoint, DrivingKind, JobInputs, JobRecord, Progress
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.stores.job_store import commands
from service.stores.job_store.store import JobStore

LEASE_MS = 1000
INPUTS = JobInputs(
    image="jobs/a/image.png", driving="jobs/a/driving.mp4", driving_kind=DrivingKind.VIDEO
)
PROGRESS = Progress(stage="denoise", step=3, steps=20, fraction=0.2, eta_s=4.5)
NO_PERSON = JobError.of(ErrorCode.NO_PERSON, "no person in 40 frames", stage="prepare")
KEPT = Checkpoint(key="jobs/a/2/checkpoints/3/s.safetensors", model="m", progress=PROGRESS)


class Clock:
    """A manual clock in milliseconds."""

    def __init__(self) -> None:
        self.now_ms = 1_000_000

    def __call__(self) -> int:
        return self.now_ms


def created(jobs: JobStore, job_id: str = "a") -> JobRecord:
    """Create a job in the prepare queue."""
    return jobs.run(commands.create(job_id, JobParams(seed=7), INPUTS)).record


def taken(jobs: JobStore, queue: Queue = Queue.PREPARE, worker: str = "w1") -> JobRecord:
    """Claim the job `a` for a worker."""
    record = jobs.run(commands.claim("a", queue, worker, LEASE_MS))
    assert record is not None
    return record


def state(jobs: JobStore, job_id: str = "a") -> JobRecord:
    """Read the job."""
    snapshot = jobs.run(commands.read(job_id))
    assert snapshot is not None
    return snapshot.record


def rendering(jobs: JobStore) -> JobRecord:
    """Create, prepare and claim the job `a` for rendering."""
    created(jobs)
    token = taken(jobs).token
    jobs.run(commands.hand_over("a", token, Queue.RENDER, "jobs/a/p", []))
    return taken(jobs, Queue.RENDER)
