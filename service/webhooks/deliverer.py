"""Send messages from the outbox. Each gateway does it; claims in Redis prevent duplicates.

Nobody knows before an attempt whether a receiver will hang. So callers have levels by how quickly
their receivers answered, and each level has half of the places of the one before: receivers that
hang wait for each other, and not for those that answer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from random import SystemRandom
from typing import NamedTuple, Self

from service.contract.webhooks import Attempt, Delivery, DeliveryState
from service.errors import UnavailableError
from service.outage import Outage
from service.outbound.guard import CALLER_ID, Guard
from service.shutdown import run_unless_stopped
from service.stores.job_store import deliveries
from service.stores.job_store.deliveries import LEVELS, ClaimedDelivery
from service.stores.job_store.store import AsyncJobStore
from service.telemetry.context import JOB_ID
from service.webhooks.schedule import next_delay_ms
from service.webhooks.send import DEADLINE_S, Sender, SendResult
from service.webhooks.signing import Signer

logger = logging.getLogger(__name__)

POLL_INTERVAL_S = 0.5
# Places for attempts by level; an attempt of a level needs a place of each level up to it. One that
# has run for SLOW_S gives them up and goes on, so at most 256 connections are open.
MAX_SENDING = 32
PLACES = [MAX_SENDING >> level for level in range(LEVELS)]
SLOW_S = 2.0
# Attempts of one caller at a time by level, if none of them has run for SLOW_S.
MAX_PER_CALLER = 8
SHARES = [MAX_PER_CALLER >> level for level in range(LEVELS)]
# Another gateway sends the message if it is not settled by its deadline and this time.
CLAIM_MARGIN_MS = 15_000
GONE = 410
FAULT = "internal error of the service; see the gateway's log"
# Independent of the process-wide generator, which may be seeded.
UNSEEDED = SystemRandom()


class Running(NamedTuple):
    """A running attempt: the message's caller, its level, and the begin on the monotonic clock."""

    caller: str
    level: int
    since_s: float


class Deliverer:
    """Delivers messages during an `async with` block.

    Args:
        body: returns the JSON of a message, equal for all attempts.
        guard: decides which hosts are allowed.
        jitter: returns 0..1, called for each attempt.
        deadline_s: longest time of an attempt.
        monotonic_s: clock that decides which attempts are slow.
    """

    def __init__(
        self,
        jobs: AsyncJobStore,
        signer: Signer,
        body: Callable[[ClaimedDelivery], bytes],
        guard: Guard,
        jitter: Callable[[], float] = UNSEEDED.random,
        deadline_s: float = DEADLINE_S,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._jobs = jobs
        self._signer = signer
        self._body = body
        self._jitter = jitter
        self._claim_ms = int(deadline_s * 1000) + CLAIM_MARGIN_MS
        self._sender = Sender(guard, deadline_s)
        self._stop = asyncio.Event()
        self._sending: dict[asyncio.Task[None], Running] = {}
        self._monotonic_s = monotonic_s
        self._loop: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.create_task(self._run(), name="webhooks")
        return self

    async def __aexit__(self, *raised: object) -> None:
        """Cancel running attempts; their messages become due again, with the same ids."""
        self._stop.set()
        if self._loop is not None:
            await self._loop
        await self.finish()
        await self._sender.close()

    async def send_due(self) -> int:
        """Start sending due messages; returns their number. Raises UnavailableError."""
        slow = {each.caller for each in self._sending.values() if self._is_slow(each)}
        levels = [each.level for each in self._sending.values() if not self._is_slow(each)]
        free = [
            places - sum(other >= level for other in levels) for level, places in enumerate(PLACES)
        ]
        if free[0] <= 0:
            return 0
        sending = Counter(each.caller for each in self._sending.values())
        sending |= Counter(dict.fromkeys(slow, MAX_PER_CALLER))
        claimed = await self._jobs.run(deliveries.claim(free, self._claim_ms, SHARES, sending))
        for message in claimed:
            running = Running(message.delivery.caller, message.level, self._monotonic_s())
            task = asyncio.create_task(self._deliver(message, running))
            self._sending[task] = running
            task.add_done_callback(self._sending.pop)
        return len(claimed)

    def _is_slow(self, running: Running) -> bool:
        return self._monotonic_s() - running.since_s >= SLOW_S

    async def finish(self) -> None:
        """Wait for running attempts."""
        while self._sending:
            await asyncio.wait(self._sending)

    async def _run(self) -> None:
        outage = Outage("claim of webhook messages", logger)
        while not self._stop.is_set():
            pause_s = POLL_INTERVAL_S
            try:
                await self.send_due()
                outage.end()
            except UnavailableError as error:
                pause_s = outage.report(error)
            except Exception:  # delivery of other messages must continue
                logger.exception("could not send webhook messages")
            await run_unless_stopped(self._stop, self._until_next_poll(pause_s))

    async def _until_next_poll(self, pause_s: float) -> None:
        """Wait for the pause, or until a place is free."""
        if not self._sending:
            await asyncio.sleep(pause_s)
            return
        first = asyncio.FIRST_COMPLETED
        await asyncio.wait(self._sending, timeout=pause_s, return_when=first)

    async def _deliver(self, message: ClaimedDelivery, running: Running) -> None:
        JOB_ID.set(message.delivery.job_id)
        CALLER_ID.set(message.delivery.caller)
        try:
            sent = await run_unless_stopped(self._stop, self._attempt(message))
        except Exception:  # an attempt that is not settled would be repeated for ever
            logger.exception("webhook attempt failed: job=%s", message.delivery.job_id)
            now_ms = round(1000 * time.time())
            sent = SendResult(Attempt(at_ms=now_ms, took_ms=0, error=FAULT))
        if sent is not None:
            level = next_level(running.level, is_slow=self._is_slow(running))
            await self._settle(message.delivery, sent, level)

    async def _attempt(self, message: ClaimedDelivery) -> SendResult:
        delivery, body = message.delivery, self._body(message)
        generations = [secret.generation for secret in message.secrets]
        now_s, caller = int(time.time()), delivery.caller
        headers = self._signer.headers(delivery.id, now_s, body, caller, generations)
        return await self._sender.post(delivery.url, headers, body)

    async def _settle(self, delivery: Delivery, sent: SendResult, level: int) -> None:
        retry_ms = next_delay_ms(delivery.tries, self._jitter(), sent.retry_after_s)
        state = outcome(sent.attempt, last=retry_ms is None)
        logger.info(
            "webhook attempt: job=%s event=%s attempt=%d result=%s state=%s",
            delivery.job_id,
            delivery.event,
            delivery.tries,
            sent.attempt.status or sent.attempt.error,
            state,
        )
        settle = deliveries.settle(delivery, sent.attempt, state, level, retry_ms or 0)
        try:
            await self._jobs.run(settle)
        except UnavailableError as error:
            logger.warning("could not log webhook attempt: job=%s %s", delivery.job_id, error)


def next_level(level: int, *, is_slow: bool) -> int:
    """Return a caller's level after an attempt of a message that was claimed at `level`."""
    return min(level + 1, LEVELS - 1) if is_slow else 0


def outcome(attempt: Attempt, *, last: bool) -> DeliveryState:
    """Return a message's state after an attempt."""
    if attempt.succeeded:
        return DeliveryState.DELIVERED
    if attempt.status == GONE:
        return DeliveryState.DISABLED
    return DeliveryState.EXHAUSTED if last else DeliveryState.PENDING
