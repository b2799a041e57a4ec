"""Messages in the indexes of earlier releases are migrated and sent."""

from __future__ import annotations

import pytest

from service.contract.job import DrivingKind, JobInputs
from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.webhooks import Attempt, DeliveryState, Webhook
from service.stores.job_store import commands, deliveries
from service.stores.job_store.deliveries import LEVELS, NEW
from service.stores.job_store.store import JobStore

INPUTS = JobInputs(
    image="jobs/a/image.png", driving="jobs/a/driving.mp4", driving_kind=DrivingKind.VIDEO
)
OPTIONS = JobOptions(webhook=Webhook(url="http://127.0.0.1:9/"))
EARLIER, INDEX = "tcan:deliveries:due", "tcan:deliveries:callers"
LEVELS_KEY, CLAIM_MS, HOUR_MS = "tcan:webhooks:levels", 60_000, 3_600_000


def canceled(jobs: JobStore, job_id: str, caller: str) -> None:
    """Create a job with a due message."""
    jobs.run(commands.create(job_id, JobParams(seed=7), INPUTS, options=OPTIONS, caller=caller))
    jobs.run(commands.cancel(job_id))


def claimed(jobs: JobStore) -> list[str]:
    """Return the jobs whose messages a gateway claims now."""
    messages = jobs.run(deliveries.claim([32] * LEVELS, CLAIM_MS, [8] * LEVELS, {}))
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
    [message] = jobs.run(deliveries.claim([1] * LEVELS, 0, [1] * LEVELS, {}))
    taken = Attempt(at_ms=1, took_ms=1, status=200)
    jobs.run(deliveries.settle(message.delivery, taken, DeliveryState.DELIVERED, NEW))
    # The old gateway removed it only from its own index.
    jobs.redis.zadd(f"{EARLIER}:ann", {"a:1": 0})
    jobs.redis.zadd(EARLIER, {"ann": 0})
    assert claimed(jobs) == []
    assert not jobs.redis.exists(INDEX, EARLIER, f"{EARLIER}:ann")


@pytest.mark.parametrize("level", [0, 3])
def test_message_queued_by_earlier_release_is_claimed_at_its_callers_level(
    jobs: JobStore, level: int
) -> None:
    canceled(jobs, "a", "ann")
    # The earlier release does not know the level and the list of its callers.
    jobs.redis.hset(LEVELS_KEY, "ann", str(level))
    assert claimed(jobs) + claimed(jobs) == ["a"]
    assert jobs.redis.zrange(f"{INDEX}:{level}", 0, -1) == ["ann"]


def test_earlier_release_sends_message_of_slow_caller_within_an_hour(jobs: JobStore) -> None:
    jobs.redis.hset(LEVELS_KEY, "ann", "3")
    canceled(jobs, "a", "ann")
    due_ms, later_ms = (jobs.redis.zscore(key, "ann") for key in (f"{INDEX}:3", INDEX))
    assert isinstance(due_ms, float) and later_ms == due_ms + HOUR_MS
