"""Webhooks end to end, on real servers, with a manual clock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from standardwebhooks import Webhook as Verifier
from starlette.testclient import TestClient

from service.api.app import create_app
from service.contract.errors import ErrorCode, JobError
from service.contract.job import DrivingKind, JobInputs
from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.contract.webhooks import Attempt, DeliveryState, Webhook, WebhookEvent
from service.outbound.guard import Guard
from service.settings import Settings
from service.stores.job_store import commands, deliveries
from service.stores.job_store.store import AsyncJobStore, JobStore
from service.views.messages import webhook_body
from service.webhooks.deliverer import Deliverer
from service.webhooks.signing import Signer
from tests.servers import free_port, wait_until
from tests.service.receiver import Message, Receiver, receiving

INPUTS = JobInputs(
    image="jobs/a/image.png", driving="jobs/a/driving.mp4", driving_kind=DrivingKind.VIDEO
)
NO_PERSON = JobError.of(ErrorCode.NO_PERSON, "no person", stage="prepare")
SIGNER = Signer(b"k" * 32)
MINUTE_MS, DAY_MS = 60_000, 24 * 3_600_000


class World:
    """Jobs with webhooks, a manual clock, and a deliverer that runs one round at a time."""

    def __init__(self, url: str) -> None:
        self.now_ms = 1_760_000_000_000
        self._url = url
        self.jobs = JobStore(Redis.from_url(url, decode_responses=True), self.clock)

    def clock(self) -> int:
        return self.now_ms

    def submit(self, url: str, job_id: str = "a", events: tuple[WebhookEvent, ...] = ()) -> None:
        webhook = Webhook(url=url, events=events) if events else Webhook(url=url)
        options = JobOptions(webhook=webhook)
        self.jobs.run(commands.create(job_id, JobParams(seed=7), INPUTS, options=options))

    def work(self, job_id: str = "a") -> None:
        """Run the job successfully."""
        first = self.jobs.run(commands.claim(job_id, Queue.PREPARE, "w", MINUTE_MS))
        assert first is not None
        self.jobs.run(commands.hand_over(job_id, first.token, Queue.RENDER, "p", []))
        second = self.jobs.run(commands.claim(job_id, Queue.RENDER, "w", MINUTE_MS))
        assert second is not None
        self.jobs.run(commands.succeed(job_id, second.token, {}, []))

    def round(self, after_ms: int = 0) -> int:
        """Advance the clock and send what is due; return the number of messages."""
        self.now_ms += after_ms

        async def act() -> int:
            jobs = AsyncJobStore(AsyncRedis.from_url(self._url, decode_responses=True), self.clock)
            guard = Guard.allowing("127.0.0.1")
            deliverer = Deliverer(jobs, SIGNER, webhook_body, guard, jitter=lambda: 0.0)
            started = await deliverer.send_due()
            await deliverer.finish()
            await deliverer.__aexit__()
            await jobs.close()
            return started

        return asyncio.run(act())

    def keys(self) -> set[str]:
        """Return the Redis keys of messages."""
        names = self.jobs.redis.keys("tcan:deliver*")
        assert isinstance(names, list)
        return {str(key) for key in names}

    def log(self, job_id: str = "a") -> list[Any]:
        return self.jobs.run(deliveries.deliveries(job_id))


@pytest.fixture
def world(redis_url: str) -> Iterator[World]:
    made = World(redis_url)
    yield made
    made.jobs.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def verified(message: Message, generation: int = 1) -> dict[str, Any]:
    """Return the message, verified by the Standard Webhooks library."""
    secret = SIGNER.secret("anonymous", generation)
    body: dict[str, Any] = Verifier(secret).verify(message.body, message.headers)
    return body


def test_message_is_signed_and_contains_job_at_the_event(world: World, receiver: Receiver) -> None:
    world.submit(receiver.url, events=tuple(WebhookEvent))
    world.work()
    assert world.round() == 2
    bodies = [verified(message) for message in receiver.messages]
    by_type = {body["type"]: body for body in bodies}
    assert by_type["job.running"]["data"]["status"] == "running"
    done = by_type["job.succeeded"]
    assert (done["data"]["id"], done["data"]["status"]) == ("a", "succeeded")
    assert done["timestamp"].endswith("Z")
    assert [delivery.state for delivery in world.log()] == [DeliveryState.DELIVERED] * 2
    assert len({message.id for message in receiver.messages}) == 2
    assert world.round(DAY_MS) == 0


def test_messages_are_sent_for_final_states_or_chosen_events(
    world: World, receiver: Receiver
) -> None:
    world.submit(receiver.url)
    world.submit(receiver.url, "b", (WebhookEvent.FAILED,))
    world.jobs.run(commands.create("c", JobParams(seed=7), INPUTS))
    for job_id in ("a", "b", "c"):
        world.work(job_id)
    world.submit(receiver.url, "d", (WebhookEvent.CANCELED,))
    world.jobs.run(commands.cancel("d"))
    world.submit(receiver.url, "e", (WebhookEvent.FAILED,))
    taken = world.jobs.run(commands.claim("e", Queue.PREPARE, "w", MINUTE_MS))
    assert taken is not None
    world.jobs.run(commands.fail("e", taken.token, NO_PERSON))
    world.round()
    received = {(verified(m)["data"]["id"], verified(m)["type"]) for m in receiver.messages}
    assert received == {("a", "job.succeeded"), ("d", "job.canceled"), ("e", "job.failed")}


def test_restarted_job_sends_running_message_once(world: World, receiver: Receiver) -> None:
    world.submit(receiver.url, events=(WebhookEvent.RUNNING,))
    first = world.jobs.run(commands.claim("a", Queue.PREPARE, "w", MINUTE_MS))
    assert first is not None
    world.jobs.run(commands.hand_over("a", first.token, Queue.RENDER, "p", []))
    for _ in range(2):
        taken = world.jobs.run(commands.claim("a", Queue.RENDER, "w", MINUTE_MS))
        assert taken is not None
        world.jobs.run(commands.release("a", taken.token))
    world.round()
    assert len(receiver.messages) == 1


def test_outage_and_restarts_lose_no_message(world: World) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/hook"
    for job_id in ("a", "b", "c"):
        world.submit(url, job_id)
        world.work(job_id)
    rounds = [world.round(after_ms) for after_ms in (0, 1000, 4000, 5 * MINUTE_MS, 5 * MINUTE_MS)]
    assert rounds == [3, 0, 3, 3, 0]
    with receiving(port) as receiver:
        assert world.round(30 * MINUTE_MS) == 3
        assert sorted(verified(m)["data"]["id"] for m in receiver.messages) == ["a", "b", "c"]
        for job_id, message in zip(
            "abc", sorted(receiver.messages, key=lambda m: m.id), strict=True
        ):
            [delivery] = world.log(job_id)
            assert (delivery.id, delivery.state) == (message.id, "delivered")
            refused = "the connection was refused; no server listens on this port"
            assert [attempt.error for attempt in delivery.attempts[:3]] == [refused] * 3
            assert delivery.attempts[3].status == 200


def test_attempts_share_id_and_body_but_not_timestamp(world: World, receiver: Receiver) -> None:
    receiver.next_answers(500, 302, 429, 404)
    world.submit(receiver.url)
    world.work()
    for after_ms in (0, 5000, 5 * MINUTE_MS, 30 * MINUTE_MS, 120 * MINUTE_MS):
        assert world.round(after_ms) == 1
    assert len({(message.id, message.body) for message in receiver.messages}) == 1
    assert [attempt.status for attempt in world.log()[0].attempts] == [500, 302, 429, 404, 200]
    for message in receiver.messages:
        verified(message)


def test_message_is_exhausted_after_ten_attempts_and_can_be_redelivered(
    world: World, receiver: Receiver
) -> None:
    receiver.next_answers(*[503] * 10)
    world.submit(receiver.url)
    world.work()
    assert [world.round(DAY_MS) for _ in range(11)] == [1] * 10 + [0]
    assert world.log()[0].state is DeliveryState.EXHAUSTED
    world.jobs.run(deliveries.redeliver("a", 1))
    assert (world.round(), world.log()[0].state) == (1, DeliveryState.DELIVERED)
    assert len({message.id for message in receiver.messages}) == 1
    assert world.jobs.run(deliveries.redeliver("a", 2)) is None


def test_messages_are_deleted_with_erased_job(world: World, receiver: Receiver) -> None:
    receiver.next_answers(200, 503)
    world.submit(receiver.url, events=(WebhookEvent.RUNNING, WebhookEvent.SUCCEEDED))
    world.work()
    assert world.round() == 2
    assert sorted(delivery.state for delivery in world.log()) == ["delivered", "pending"]
    world.jobs.run(commands.erase("a"))
    assert world.keys() == set()
    assert (world.round(DAY_MS), len(receiver.messages)) == (0, 2)


def test_pending_messages_outlive_expired_job(world: World, receiver: Receiver) -> None:
    receiver.next_answers(200, 503, 503, 200)
    world.submit(receiver.url, events=(WebhookEvent.RUNNING, WebhookEvent.SUCCEEDED))
    world.work()
    world.round()
    [unsent] = [delivery for delivery in world.log() if delivery.state is DeliveryState.PENDING]
    world.jobs.run(commands.erase("a", keep_pending_deliveries=True))
    message = f"tcan:delivery:a:{unsent.n}"
    due = {
        "tcan:deliveries:callers",
        "tcan:deliveries:callers:0",
        "tcan:deliveries:due:anonymous",
    }
    assert world.keys() == {message, f"{message}:attempts"} | due
    assert [world.round(DAY_MS) for _ in range(3)] == [1, 1, 0]
    assert [sent.id for sent in receiver.messages].count(unsent.id) == 3
    assert world.keys() == set()


def test_retry_after_header_delays_next_attempt(world: World, receiver: Receiver) -> None:
    receiver.next_answers(503, Retry_After="600")
    world.submit(receiver.url)
    world.work()
    assert [world.round(ms) for ms in (0, 5000, 590_000, 5000)] == [1, 0, 0, 1]


def test_status_410_disables_receiver_until_redelivery(world: World, receiver: Receiver) -> None:
    receiver.next_answers(410)
    for job_id in ("a", "b"):
        world.submit(receiver.url, job_id)
    world.work("a")
    assert world.round() == 1
    world.work("b")
    assert [world.round(DAY_MS) for _ in range(2)] == [0, 0]
    assert [world.log(job_id)[0].state for job_id in "ab"] == [DeliveryState.DISABLED] * 2
    world.jobs.run(deliveries.redeliver("b", 1))
    assert (world.round(), world.log("b")[0].state) == (1, DeliveryState.DELIVERED)


def test_message_of_dead_gateway_is_sent_by_another(world: World, receiver: Receiver) -> None:
    world.submit(receiver.url)
    world.work()
    [lost] = world.jobs.run(deliveries.claim([10] * 4, 30_000, [10] * 4, {}))
    assert [world.round(), world.round(30_000)] == [0, 1]
    late = Attempt(at_ms=0, took_ms=1, error="ReadTimeout")
    assert not world.jobs.run(deliveries.settle(lost.delivery, late, DeliveryState.PENDING, 0))
    assert world.log()[0].state is DeliveryState.DELIVERED


def test_old_secret_signs_until_it_retires(world: World, receiver: Receiver) -> None:
    world.jobs.run(deliveries.rotate_secret("anonymous", overlap_ms=MINUTE_MS))
    world.submit(receiver.url)
    world.submit(receiver.url, "b")
    world.work()
    world.round()
    verified(receiver.messages[0], generation=1)
    verified(receiver.messages[0], generation=2)
    world.work("b")
    world.round(2 * MINUTE_MS)
    verified(receiver.messages[1], generation=2)
    assert len(receiver.messages[1].headers["webhook-signature"].split()) == 1
    assert [secret.generation for secret in world.jobs.run(deliveries.secrets("anonymous"))] == [2]


def test_many_rotations_leave_ten_secrets(world: World) -> None:
    for _ in range(12):
        found = world.jobs.run(deliveries.rotate_secret("anonymous", overlap_ms=MINUTE_MS))
    assert [secret.generation for secret in found] == [*range(13, 3, -1)]
    assert world.jobs.redis.hlen("tcan:webhooks:secrets:anonymous") == 10


def test_gateway_delivers_logs_and_redelivers(
    folder_settings: Settings, jobs: JobStore, receiver: Receiver
) -> None:
    receiver.next_answers(200)
    options = JobOptions(webhook=Webhook(url=receiver.url))
    jobs.run(commands.create("a", JobParams(seed=7), INPUTS, options=options))
    with TestClient(create_app(folder_settings)) as client:
        jobs.run(commands.cancel("a"))
        log = "/jobs/a/deliveries"
        wait_until(lambda: statuses(client.get(log).json()) == ["delivered"], "it is delivered")
        [secret] = client.get("/webhooks/secret").json()["secrets"]
        body = Verifier(secret["secret"]).verify(
            receiver.messages[0].body, receiver.messages[0].headers
        )
        assert body["data"]["status"] == "canceled"
        assert client.post(f"{log}/1/redeliver").status_code == 202
        wait_until(lambda: len(receiver.messages) == 2, "it is sent again")
        assert receiver.messages[0].id == receiver.messages[1].id
        assert client.post(f"{log}/2/redeliver").json()["code"] == "delivery_not_found"
        assert client.get("/jobs/missing/deliveries").json()["code"] == "job_not_found"
        rotated = client.post("/webhooks/secret/rotate", params={"overlap_s": 60}).json()
        assert [entry["secret"] for entry in rotated["secrets"]][1] == secret["secret"]
        assert rotated["secrets"][1]["retires_at"] is not None


def statuses(log: dict[str, Any]) -> list[str]:
    """Return the states of deliveries."""
    return [entry["status"] for entry in log["deliveries"]]


@pytest.mark.parametrize(
    "url",
    ["ftp://x/y", "http://", "/hook", "http://me:pw@x/", "http://x/ y", "http://é/", "x" * 3000],
)
def test_invalid_webhook_url_is_rejected(url: str) -> None:
    with pytest.raises(ValueError, match="url"):
        JobOptions.model_validate_json(json.dumps({"webhook": {"url": url}}))


def test_webhook_key_file_is_private_and_kept(folder_settings: Settings, tmp_path: Path) -> None:
    def secret() -> Any:
        with TestClient(create_app(folder_settings)) as client:
            return client.get("/webhooks/secret").json()

    first = secret()
    assert secret() == first
    assert folder_settings.webhook_key_file.stat().st_mode & 0o077 == 0
