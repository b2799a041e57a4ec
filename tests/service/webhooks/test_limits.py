"""Limits on the attempts and disabled URLs that the store keeps of a caller's webhooks."""

from __future__ import annotations

from typing import Any

from service.contract.webhooks import Attempt, DeliveryState
from service.stores.job_store import deliveries
from service.stores.job_store.deliveries import MAX_ATTEMPTS, MAX_DISABLED_URLS
from service.stores.job_store.store import JobStore
from tests.service.webhooks.test_slow_receivers import attempts, canceled

DISABLED = "tcan:webhooks:disabled:me"


def test_last_attempts_of_a_message_are_kept(jobs: JobStore) -> None:
    [job_id] = canceled(jobs, "http://127.0.0.1:9/", "me")
    [delivery] = jobs.run(deliveries.deliveries(job_id))
    for number in range(MAX_ATTEMPTS + 2):
        attempt = Attempt(at_ms=number, took_ms=1, status=200)
        jobs.run(deliveries.settle(delivery, attempt, DeliveryState.DELIVERED, 0))
        jobs.run(deliveries.redeliver(job_id, 1))
    kept = [attempt.at_ms for attempt in attempts(jobs, job_id)]
    assert kept == list(range(2, MAX_ATTEMPTS + 2))


def test_disabled_urls_of_a_caller_are_limited(jobs: JobStore) -> None:
    others: dict[Any, Any] = {
        f"http://127.0.0.1:9/{number}": 1 for number in range(MAX_DISABLED_URLS - 1)
    }
    jobs.redis.hset(DISABLED, mapping=others)
    for url in ("http://127.0.0.1:9/a", "http://127.0.0.1:9/b"):
        [job_id] = canceled(jobs, url, "me", prefix=url[-1])
        jobs.run(deliveries.claim([8] * 4, 60_000, [8] * 4, {}))
        [delivery] = jobs.run(deliveries.deliveries(job_id))
        attempt = Attempt(at_ms=1, took_ms=1, status=410)
        jobs.run(deliveries.settle(delivery, attempt, DeliveryState.DISABLED, 0))
        assert jobs.redis.hlen(DISABLED) == MAX_DISABLED_URLS
