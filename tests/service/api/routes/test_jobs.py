"""The list of jobs shows what each job's own page shows."""

from __future__ import annotations

from pathlib import Path

from starlette.testclient import TestClient

from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.workers import WorkerInfo
from service.stores.job_store import commands, presence
from service.stores.job_store.store import JobStore
from tests.service.api.test_api import submit
from tests.service.job_driver import INPUTS

LEASE_MS = 10**8


def finish_one(jobs: JobStore) -> None:
    """Finish a job, on which estimates are based."""
    jobs.run(commands.create("earlier", JobParams(), INPUTS))
    prepared = jobs.run(commands.claim("earlier", Queue.PREPARE, "w", LEASE_MS))
    assert prepared is not None
    jobs.run(commands.succeed("earlier", prepared.token, {}, []))


def test_list_shows_place_and_estimate_as_each_job_does(
    client: TestClient, jobs: JobStore, tmp_path: Path
) -> None:
    worker = WorkerInfo(id="w", queues=tuple(Queue), preset="mini", ready=True)
    jobs.run(presence.heartbeat(worker, LEASE_MS))
    finish_one(jobs)
    ids = [submit(client, tmp_path).json()["id"] for _ in range(3)]
    jobs.run(commands.claim(ids[0], Queue.PREPARE, "w", LEASE_MS))
    listed = {job["id"]: job for job in client.get("/jobs").json()["jobs"]}
    assert [listed[job_id]["queue_position"] for job_id in ids] == [None, 0, 1]
    for job_id in ids[1:]:
        own = client.get(f"/jobs/{job_id}").json()
        assert own["queue_position"] == listed[job_id]["queue_position"]
        assert own["eta"] == listed[job_id]["eta"] is not None
    assert (listed["earlier"]["queue_position"], listed["earlier"]["eta"]) == (None, None)
