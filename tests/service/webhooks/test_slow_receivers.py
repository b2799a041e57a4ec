"""Receivers that answer late, never or incorrectly have limited time and slots."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest
from redis.asyncio import Redis as AsyncRedis

from service.contract.job import DrivingKind, JobInputs
from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.webhooks import Attempt, DeliveryState, Webhook
from service.outbound.guard import Guard
from service.stores.job_store import commands, deliveries
from service.stores.job_store.deliveries import ClaimedDelivery
from service.stores.job_store.store import AsyncJobStore, JobStore
from service.views.messages import webhook_body
from service.webhooks.deliverer import CLAIM_MARGIN_MS, FAULT, MAX_SENDING, Deliverer
from service.webhooks.deliverer import MAX_PER_CALLER as LIMIT
from service.webhooks.send import DEADLINE_S, Sender
from service.webhooks.signing import Signer
from tests.servers import GUARD_S, wait_until
from tests.service.receiver import dripping, receiving
from tests.service.web import INVALID_LOCATIONS

INPUTS = JobInputs(
    image="jobs/a/image.png", driving="jobs/a/driving.mp4", driving_kind=DrivingKind.VIDEO
)
CLAIM_MS = 60_000
GUARD = Guard.allowing("127.0.0.0/8")

LATE = "the server did not answer in time"


def canceled(
    jobs: JobStore, url: str, caller: str, count: int = 1, prefix: str | None = None
) -> list[str]:
    """Create canceled jobs of a caller, each with a due message."""
    ids = [f"{prefix or caller}{n}" for n in range(count)]
    options = JobOptions(webhook=Webhook(url=url))
    for job_id in ids:
        jobs.run(commands.create(job_id, JobParams(seed=7), INPUTS, options=options, caller=caller))
        jobs.run(commands.cancel(job_id))
    return ids


def attempts(jobs: JobStore, job_id: str) -> list[Attempt]:
    """Return the attempts to deliver the job's message."""
    [delivery] = jobs.run(deliveries.deliveries(job_id))
    return delivery.attempts


def delivering(
    url: str,
    act: Callable[[], object],
    body: Callable[[ClaimedDelivery], bytes] = webhook_body,
    monotonic_s: Callable[[], float] = lambda: 0.0,
) -> None:
    """Run a deliverer while `act` runs in a thread; no attempt is given up meanwhile."""

    async def run() -> None:
        jobs = AsyncJobStore(AsyncRedis.from_url(url, decode_responses=True))
        signer = Signer(b"k" * 32)
        async with Deliverer(
            jobs, signer, body, GUARD, deadline_s=GUARD_S, monotonic_s=monotonic_s
        ):
            await asyncio.to_thread(act)
        await jobs.close()

    asyncio.run(run())


def posted(url: str, guard: Guard = GUARD, deadline_s: float = 0.4) -> Attempt:
    """Return an attempt with a short deadline."""

    async def run() -> Attempt:
        sender = Sender(guard, deadline_s)
        try:
            return (await sender.post(url, {}, b"{}")).attempt
        finally:
            await sender.close()

    return asyncio.run(run())


def test_slow_response_is_cut_off_before_claim_expires() -> None:
    with dripping() as url:
        attempt = posted(url)
    assert (attempt.status, attempt.error) == (None, LATE)
    assert attempt.took_ms >= 400
    assert CLAIM_MARGIN_MS >= DEADLINE_S * 1000


@pytest.mark.slow
def test_slow_response_is_cut_off_within_three_seconds() -> None:
    with dripping() as url:
        assert posted(url).took_ms < 3000


def test_nothing_of_one_receiver_reaches_another() -> None:
    """Neither cookies, which 127.0.0.1 sets for all of its ports, nor headers, nor connections."""

    async def run(*urls: str) -> None:
        sender = Sender(GUARD)
        for url in urls:
            result = await sender.post(url, {"webhook-id": url}, b"{}")
            assert result.attempt.status == 302
        await sender.close()

    with receiving() as first, receiving() as second:
        for receiver in (first, second):
            other = second if receiver is first else first
            receiver.next_answers(
                302, 302, Set_Cookie="a=b; Path=/", Location=other.url, Alt_Svc='h2=":1"'
            )
        asyncio.run(run(first.url, second.url, first.url, second.url))
    assert len({message.port for one in (first, second) for message in one.messages}) == 4
    for receiver in (first, second):
        for message in receiver.messages:
            assert message.headers.keys() == {
                "host",
                "user-agent",
                "content-type",
                "content-length",
                "webhook-id",
            }
            assert message.headers["webhook-id"] == receiver.url
        assert len(receiver.messages) == 2


def test_redirect_to_an_invalid_url_is_a_failed_attempt() -> None:
    async def run(url: str) -> list[Attempt]:
        sender = Sender(GUARD)
        made = [(await sender.post(url, {}, b"{}")).attempt for _ in INVALID_LOCATIONS]
        await sender.close()
        return made

    with receiving() as receiver:
        for location in INVALID_LOCATIONS:
            receiver.next_answers(302, Location=location)
        made = asyncio.run(run(receiver.url))
    assert {(attempt.status, attempt.error) for attempt in made} == {(302, None)}


def test_url_with_an_impossible_host_is_a_failed_attempt() -> None:
    for url in ("http://a..b/", "https://xn--/"):
        assert posted(url).error == "the URL has no valid host name", url


def test_hanging_lookup_is_cut_off() -> None:
    async def silent(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        raise AssertionError

    assert posted("http://silent.example/", Guard(resolve=silent)).error == LATE


def test_attempt_with_internal_error_is_settled_as_failed(redis_url: str, jobs: JobStore) -> None:
    def broken(message: ClaimedDelivery) -> bytes:
        raise RecursionError("no body")

    [job_id] = canceled(jobs, "http://127.0.0.1:9/", "me")
    settled = partial(attempts, jobs, job_id)
    delivering(redis_url, lambda: wait_until(settled, "it is settled"), broken)
    [delivery] = jobs.run(deliveries.deliveries(job_id))
    assert (delivery.state, delivery.attempts[0].error) == (DeliveryState.PENDING, FAULT)
    assert delivery.due_ms is not None
    seconds, _ = jobs.redis.time()
    assert delivery.due_ms < 1000 * int(seconds) + 10_000


def test_invalid_retry_after_is_ignored(redis_url: str, jobs: JobStore) -> None:
    with receiving() as receiver:
        receiver.next_answers(503, Retry_After="Mon, 01 Jan 2024 00:00:00 +99999999999999999999")
        [job_id] = canceled(jobs, receiver.url, "me")
        delivering(redis_url, lambda: wait_until(lambda: attempts(jobs, job_id), "it is settled"))
    assert attempts(jobs, job_id)[0].status == 503


def test_unreadable_message_does_not_block_others(redis_url: str, jobs: JobStore) -> None:
    with receiving() as receiver:
        [spoilt, good] = canceled(jobs, receiver.url, "me", 2)
        jobs.redis.hset(f"tcan:delivery:{spoilt}:1", "placed", "[[], 1, 1, []]")
        both = lambda: attempts(jobs, spoilt) and attempts(jobs, good)  # noqa: E731
        delivering(redis_url, lambda: wait_until(both, "both are settled"))
    assert attempts(jobs, spoilt)[0].error == FAULT
    assert [message.id for message in receiver.messages] == [f"msg_{good}_1"]


def test_hanging_receiver_does_not_block_other_callers(redis_url: str, jobs: JobStore) -> None:
    with dripping() as slow, receiving() as good:
        held_up = canceled(jobs, slow, "slow", 3 * MAX_SENDING)
        canceled(jobs, good.url, "good", 2 * LIMIT)

        def wait() -> None:
            wait_until(lambda: len(good.messages) == 2 * LIMIT, "all of the other's are sent")

        delivering(redis_url, wait)
    assert not any(attempts(jobs, job_id) for job_id in held_up)
