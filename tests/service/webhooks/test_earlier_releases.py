"""Messages in the indexes of earlier releases are migrated and sent."""

from __future__ import annotations

import pytest

from service.contract.job import DrivingKind, JobInputs
from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.webhooks import Attempt, DeliveryState, Webhook
from service.stores.job_store import commands, deliveries
from service.stores.job_store.store import JobStore

INPUTS = JobInputs(
    image="jobs/a/image.png", driving="jobs/a/driving.mp4", driving_kind=DrivingKind.VIDEO
)
OPTIONS = JobOptions(webhook=Webhook(url="http://127.0.0.1:9/"))
EARLIER, INDEX = "tcan:deliveries:due", "tcan:deliveries:callers"
CLAIM_MS = 60_000


def canceled(jobs: JobStore, job_id: str, caller: str) -> None:
    """Create a job with a due message."""
    jobs.run(commands.create(job_id, JobParams(seed=7), INPUTS, options=OPTIONS, caller=caller))
    jobs.run(commands.cancel(job_id))


def claimed(jobs: JobStore) -> list[str]:
    """Return the jobs whose messages a gateway claims now."""
    messages = jobs.run(deliveries.claim(32, CLAIM_MS, 8, {}))
    return sorted(message.delivery.job_id for message in messages)


@pytest.mark.parametrize("kept_by", ["message", "caller"])
def test_messages_of_earlier_release_are_sent_once(jobs: JobStore, kept_by: str) -> None:
    canceled(jobs, "old", "ann")
    jobs.redis.delete(INDEX)
    if kept_by == "message":
        jobs.redis.delete(f"{EARLIER}:ann")
    jobs.redis.zadd(EARLIER, {"old:1" if kept_by == "message" else "ann": 5})
    canceled(jobs, "new", "ben")
    assert claimed(jobs) == ["new", "old"]
    assert claimed(jobs) == []
    assert not jobs.redis.exists(EARLIER)
    assert sorted(jobs.redis.zrange(INDEX, 0, -1)) == ["ann", "ben"]


def test_orphaned_entries_of_earlier_release_are_skipped(jobs: JobStore) -> None:
    jobs.redis.zadd(EARLIER, {"erased:1": 0})
    jobs.redis.zadd(INDEX, {"missing": 0})
    canceled(jobs, "a", "ann")
    assert claimed(jobs) == ["a"]
    assert jobs.redis.zrange(INDEX, 0, -1) == ["ann"]


def test_message_delivered_by_earlier_release_is_not_sent_again(jobs: JobStore) -> None:
    canceled(jobs, "a", "ann")
    [message] = jobs.run(deliveries.claim(1, 0, 8, {}))
    taken = Attempt(at_ms=1, took_ms=1, status=200)
    jobs.run(deliveries.settle(message.delivery, taken, DeliveryState.DELIVERED))
    # The old gateway removed it only from its own index.
    jobs.redis.zadd(f"{EARLIER}:ann", {"a:1": 0})
    jobs.redis.zadd(EARLIER, {"ann": 0})
    assert claimed(jobs) == []
    assert not jobs.redis.exists(INDEX, EARLIER, f"{EARLIER}:ann")
