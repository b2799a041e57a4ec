"""Sends what is in the outbox. Each gateway has one; the claims in Redis keep them apart."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from random import SystemRandom
from typing import Self

from service.contract.webhooks import Attempt, Delivery, DeliveryState
from service.errors import UnavailableError
from service.outbound.guard import Guard
from service.shutdown import unless
from service.stores.job_store import deliveries
from service.stores.job_store.deliveries import ClaimedDelivery
from service.stores.job_store.store import AsyncJobs
from service.telemetry.context import JOB_ID
from service.webhooks.schedule import next_delay_ms
from service.webhooks.send import DEADLINE_S, Sender, Sent
from service.webhooks.signing import Signer

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
AT_ONCE = 32
# Of one caller: receivers that do not answer leave room for those of others.
SHARE = 8
# A gateway that died with a message leaves it to another after this; one that lives has settled it
# well before.
CLAIM_MS = int(DEADLINE_S * 1000) + 15_000
GONE = 410
# Not the generator that the whole process shares, and may seed.
UNSEEDED = SystemRandom()


class Deliverer:
    """Delivers messages for the length of an `async with` block.

    Args:
        body: the JSON of a message; the same for each of its attempts.
        guard: knows the hosts that may be connected to.
        jitter: 0..1, a new one for each attempt.
    """

    def __init__(
        self,
        jobs: AsyncJobs,
        signer: Signer,
        body: Callable[[ClaimedDelivery], bytes],
        guard: Guard,
        jitter: Callable[[], float] = UNSEEDED.random,
    ) -> None:
        self._jobs = jobs
        self._signer = signer
        self._body = body
        self._jitter = jitter
        self._sender = Sender(guard)
        self._stop = asyncio.Event()
        # Tasks, each with the caller whose message it delivers.
        self._under_way: dict[asyncio.Task[None], str] = {}
        self._loop: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.create_task(self._run(), name="webhooks")
        return self

    async def __aexit__(self, *raised: object) -> None:
        """What is under way is broken off; it comes due again, and the same id tells of it."""
        self._stop.set()
        if self._loop is not None:
            await self._loop
        await self.finish()
        await self._sender.close()

    async def start_due(self) -> int:
        """Begin to deliver what is due; how many messages. Raises UnavailableError."""
        free = AT_ONCE - len(self._under_way)
        if free == 0:
            return 0
        sending = Counter(self._under_way.values())
        claimed = await self._jobs.run(deliveries.claim(free, CLAIM_MS, SHARE, sending))
        for message in claimed:
            task = asyncio.create_task(self._deliver(message))
            self._under_way[task] = message.delivery.caller
            task.add_done_callback(self._under_way.pop)
        return len(claimed)

    async def finish(self) -> None:
        """Wait for what is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _run(self) -> None:
        while not self._stop.is_set():
            try:
                await self.start_due()
            except UnavailableError as error:
                logger.warning("webhooks: %s", error)
            except Exception:  # whatever it is, the messages of others go on
                logger.exception("webhooks: what is due cannot be taken")
            await unless(self._stop, self._until_next_look())

    async def _until_next_look(self) -> None:
        """A moment, or less: until a slot is free again."""
        if not self._under_way:
            await asyncio.sleep(LOOK_EVERY_S)
            return
        first = asyncio.FIRST_COMPLETED
        await asyncio.wait(self._under_way, timeout=LOOK_EVERY_S, return_when=first)

    async def _deliver(self, message: ClaimedDelivery) -> None:
        JOB_ID.set(message.delivery.job_id)
        try:
            sent = await unless(self._stop, self._attempt(message))
        except Exception:  # an attempt that is not settled would be made again for ever
            logger.exception("job %s: an attempt broke", message.delivery.job_id)
            sent = Sent(Attempt(at_ms=round(1000 * time.time()), took_ms=0, error="InternalError"))
        if sent is not None:
            await self._settle(message.delivery, sent)

    async def _attempt(self, message: ClaimedDelivery) -> Sent:
        delivery, body = message.delivery, self._body(message)
        generations = [secret.generation for secret in message.secrets]
        headers = self._signer.headers(
            delivery.id, int(time.time()), body, delivery.caller, generations
        )
        return await self._sender.post(delivery.url, headers, body)

    async def _settle(self, delivery: Delivery, sent: Sent) -> None:
        retry_ms = next_delay_ms(delivery.tries, self._jitter(), sent.retry_after_s)
        state = outcome(sent.attempt, last=retry_ms is None)
        logger.info(
            "job %s: %s, attempt %d: %s (%s)",
            delivery.job_id,
            delivery.event,
            delivery.tries,
            sent.attempt.status or sent.attempt.error,
            state,
        )
        try:
            await self._jobs.run(
                deliveries.settle(delivery, sent.attempt, state, retry_in_ms=retry_ms or 0)
            )
        except UnavailableError as error:
            logger.warning("job %s: an attempt is not on record: %s", delivery.job_id, error)


def outcome(attempt: Attempt, *, last: bool) -> DeliveryState:
    """Where a message stands after an attempt."""
    if attempt.succeeded:
        return DeliveryState.DELIVERED
    if attempt.status == GONE:
        return DeliveryState.DISABLED
    return DeliveryState.EXHAUSTED if last else DeliveryState.PENDING
