"""The job store on a real Valkey, with a manual clock."""

from __future__ import annotations

import pytest
from redis import Redis

from service.stores.job_store.store import JobStore
from tests.service.stores.job_store.records import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def jobs(redis_url: str, clock: Clock) -> JobStore:
    return JobStore(Redis.from_url(redis_url, decode_responses=True), clock)
