"""Send messages from the outbox. Each gateway does it; claims in Redis prevent duplicates."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from random import SystemRandom
from typing import NamedTuple, Self

from service.contract.webhooks import Attempt, Delivery, DeliveryState
from service.errors import UnavailableError
from service.outage import Outage
from service.outbound.guard import CALLER_ID, Guard
from service.shutdown import run_unless_stopped
from service.stores.job_store import deliveries
from service.stores.job_store.deliveries import ClaimedDelivery
from service.stores.job_store.store import AsyncJobStore
from service.telemetry.context import JOB_ID
from service.webhooks.schedule import next_delay_ms
from service.webhooks.send import DEADLINE_S, Sender, SendResult
from service.webhooks.signing import Signer

logger = logging.getLogger(__name__)

POLL_INTERVAL_S = 0.5
# Attempts younger than SLOW_S. An older one waits for its receiver, and gives its slot to another.
MAX_SENDING = 32
MAX_OPEN = 2 * MAX_SENDING
# Leaves slots for other callers if one caller's receivers do not answer.
MAX_PER_CALLER = 8
# A caller whose last attempt took this long, or whose running one does, has one attempt at a time,
# and only while fewer than MAX_SLOW wait.
SLOW_S = 2.0
MAX_SLOW = 16
# Slow callers that are remembered: each claim looks at all of them.
MAX_REMEMBERED = 1000
# Another gateway sends the message if it is not settled by its deadline and this time.
CLAIM_MARGIN_MS = 15_000
GONE = 410
FAULT = "internal error of the service; see the gateway's log"
# Independent of the process-wide generator, which may be seeded.
UNSEEDED = SystemRandom()


class Running(NamedTuple):
    """A running attempt: the message's caller, and its begin on the monotonic clock."""

    caller: str
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
        # Callers whose last attempt was slow, in the order of these attempts.
        self._slow_callers: dict[str, None] = {}
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
        slow = [running for running in self._sending.values() if self._is_slow(running)]
        num_young = len(self._sending) - len(slow)
        free = min(MAX_SENDING - num_young, MAX_OPEN - len(self._sending))
        if free <= 0:
            return 0
        claimed = await self._jobs.run(
            deliveries.claim(free, self._claim_ms, MAX_PER_CALLER, self._shares_in_use(slow))
        )
        for message in claimed:
            task = asyncio.create_task(self._deliver(message))
            self._sending[task] = Running(message.delivery.caller, self._monotonic_s())
            task.add_done_callback(self._end)
        return len(claimed)

    def _shares_in_use(self, slow: Sequence[Running]) -> dict[str, int]:
        """Return how much of MAX_PER_CALLER each caller uses; a slow caller has a share of one."""
        in_use = Counter(running.caller for running in self._sending.values())
        share = 1 if len(slow) < MAX_SLOW else 0
        for caller in {*self._slow_callers, *(running.caller for running in slow)}:
            in_use[caller] = MAX_PER_CALLER - max(0, share - in_use[caller])
        return in_use

    def _is_slow(self, running: Running) -> bool:
        return self._monotonic_s() - running.since_s >= SLOW_S

    def _end(self, task: asyncio.Task[None]) -> None:
        running = self._sending.pop(task)
        self._slow_callers.pop(running.caller, None)
        if self._is_slow(running):
            self._slow_callers[running.caller] = None
        if len(self._slow_callers) > MAX_REMEMBERED:
            del self._slow_callers[next(iter(self._slow_callers))]

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
        """Wait for the pause, or until a slot is free."""
        if not self._sending:
            await asyncio.sleep(pause_s)
            return
        first = asyncio.FIRST_COMPLETED
        await asyncio.wait(self._sending, timeout=pause_s, return_when=first)

    async def _deliver(self, message: ClaimedDelivery) -> None:
        JOB_ID.set(message.delivery.job_id)
        CALLER_ID.set(message.delivery.caller)
        try:
            sent = await run_unless_stopped(self._stop, self._attempt(message))
        except Exception:  # an attempt that is not settled would be repeated for ever
            logger.exception("webhook attempt failed: job=%s", message.delivery.job_id)
            now_ms = round(1000 * time.time())
            sent = SendResult(Attempt(at_ms=now_ms, took_ms=0, error=FAULT))
        if sent is not None:
            await self._settle(message.delivery, sent)

    async def _attempt(self, message: ClaimedDelivery) -> SendResult:
        delivery, body = message.delivery, self._body(message)
        generations = [secret.generation for secret in message.secrets]
        now_s, caller = int(time.time()), delivery.caller
        headers = self._signer.headers(delivery.id, now_s, body, caller, generations)
        return await self._sender.post(delivery.url, headers, body)

    async def _settle(self, delivery: Delivery, sent: SendResult) -> None:
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
        settle = deliveries.settle(delivery, sent.attempt, state, retry_in_ms=retry_ms or 0)
        try:
            await self._jobs.run(settle)
        except UnavailableError as error:
            logger.warning("could not log webhook attempt: job=%s %s", delivery.job_id, error)


def outcome(attempt: Attempt, *, last: bool) -> DeliveryState:
    """Return a message's state after an attempt."""
    if attempt.succeeded:
        return DeliveryState.DELIVERED
    if attempt.status == GONE:
        return DeliveryState.DISABLED
    return DeliveryState.EXHAUSTED if last else DeliveryState.PENDING
