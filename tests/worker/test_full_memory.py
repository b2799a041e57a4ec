"""Accepted jobs finish while the job store's memory is full."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.stores.job_store.store import JobStore
from tests.service.api.test_api import expect_problem
from tests.service.api.test_api import submit as post
from tests.service.job_driver import expire_lease
from tests.worker.test_processes import Start, client, ended, kill, rendering, start_worker, submit

__all__ = ("client", "start_worker")

pytestmark = [pytest.mark.e2e, pytest.mark.long]


@contextmanager
def full(jobs: JobStore) -> Iterator[None]:
    """No memory is left, and none is made free."""
    jobs.redis.config_set("maxmemory-policy", "noeviction")
    jobs.redis.config_set("maxmemory", 1)
    try:
        yield
    finally:
        jobs.redis.config_set("maxmemory", 0)


def test_accepted_jobs_finish_while_redis_memory_is_full(
    client: TestClient, start_worker: Start, jobs: JobStore, tmp_path: Path
) -> None:
    worker = start_worker(step_s=0.1)
    first = submit(client, tmp_path, steps=100)
    waiting = [submit(client, tmp_path) for _ in range(2)]
    rendering(client, first)
    with full(jobs):
        refused = post(client, tmp_path)
        expect_problem(refused, 503, "unavailable")
        assert int(refused.headers["retry-after"]) > 0
        assert ended(client, first)["status"] == "succeeded"
        assert worker.poll() is None
        kill(worker)
        expire_lease(jobs, *waiting)
        start_worker()
        for job_id in waiting:
            assert ended(client, job_id)["status"] == "succeeded"
    assert ended(client, submit(client, tmp_path))["status"] == "succeeded"
