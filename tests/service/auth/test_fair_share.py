"""A thousand queued jobs of one caller delay another caller's first job by one job at most."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from service.contract.job import DrivingKind, JobInputs, JobRecord
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.states import JobState
from service.settings import Settings
from service.stores.job_store import commands
from service.stores.job_store.hints import message
from service.stores.job_store.store import JobStore
from service.stores.object_store.open import open_objects
from tests import samples
from tests.servers import running, wait_until

WORKER = Path(__file__).parents[2] / "worker" / "paint_worker.py"
INPUTS = JobInputs(
    image="jobs/x/image.png",
    driving="jobs/x/driving.mp4",
    driving_kind=DrivingKind.VIDEO,
    frames=3,
)
MANY, STEP_S, STEPS = 1000, 0.05, 6


def make(jobs: JobStore, caller: str, number: int) -> str:
    """Create a job that takes a third of a second."""
    job_id = f"{caller}-{number}"
    params = JobParams(seed=1, num_inference_steps=STEPS)
    hint = message(job_id, Queue.PREPARE)
    jobs.run(commands.create(job_id, params, INPUTS, caller=caller, hint=hint))
    return job_id


def ended(jobs: JobStore, caller: str) -> list[JobRecord]:
    """Return the caller's finished jobs."""
    ended = jobs.run(commands.recent(MANY, caller=caller, states=[JobState.SUCCEEDED])).jobs
    return [snapshot.record for snapshot in ended]


def work_ms(record: JobRecord) -> int:
    """Return the worker's time for a job."""
    return record.prepare_ms + record.render_ms


@pytest.mark.long
@pytest.mark.e2e
def test_thousand_queued_jobs_delay_another_callers_job_by_one_job_at_most(
    jobs: JobStore, redis_url: str, tmp_path: Path
) -> None:
    """Run one real worker; print the job's waiting time and the duration of the others."""
    objects = open_objects(Settings(data=tmp_path / "data"))
    objects.put("jobs/x/image.png", samples.png())
    objects.put("jobs/x/driving.mp4", samples.video(tmp_path, frames=3))
    for number in range(MANY):
        make(jobs, "many", number)
    environment = {
        "TCAN_DATA": str(tmp_path / "data"),
        "TCAN_REDIS_URL": redis_url,
        "PAINT_STEP_S": str(STEP_S),
    }
    with running([sys.executable, str(WORKER)], tmp_path / "worker.log", environment, 0):
        wait_until(lambda: len(ended(jobs, "many")) >= 3, "the worker is at it")
        make(jobs, "ben", 0)
        [ben] = wait_until(lambda: ended(jobs, "ben"), "ben's job is done")
        others = ended(jobs, "many")
    assert ben.ended_ms is not None
    between = [each for each in others if ben.created_ms < (each.ended_ms or 0) < ben.ended_ms]
    usual_ms = sum(map(work_ms, others)) / len(others)
    print(
        f"ben waited {ben.waited_ms} ms; a job takes {usual_ms:.0f} ms; {len(between)} went before"
    )
    # The one that was at work when ben's was made.
    assert len(between) <= 1
