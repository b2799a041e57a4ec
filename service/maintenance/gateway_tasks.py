"""Upkeep beside a gateway: deadlines, lost workers and retention wait for no worker to be there."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from secrets import token_hex
from typing import Self

from anyio import CapacityLimiter, to_thread

from service.maintenance import reconciler, sweeper
from service.maintenance.orphans import Orphans
from service.maintenance.reconciler import Reconciler
from service.maintenance.sweeper import Sweeper
from service.settings import Settings
from service.shutdown import unless
from service.stores.job_store.hints import HintSender
from service.stores.job_store.store import Clock, Jobs
from service.stores.object_store.base import ObjectStore

logger = logging.getLogger(__name__)

# What is under way at the end; a store that is away may hold it for longer.
LEAVE_S = 2.0


class Upkeep:
    """Keeps jobs going for the length of an `async with` block; in threads that no route waits for.

    Args:
        clock: now in ms since 1970; None takes the clock of the Redis server.

    Raises:
        SettingsError: no Redis is known.
    """

    def __init__(self, settings: Settings, objects: ObjectStore, clock: Clock | None) -> None:
        self._jobs = jobs = Jobs.connect(settings.broker_url(), clock)
        name = f"gateway-{socket.gethostname()}-{os.getpid()}-{token_hex(2)}"
        keeper = Reconciler(
            jobs,
            HintSender(jobs),
            name,
            settings.max_attempts,
            settings.hint_age_ms,
            settings.lease_ms,
        )
        sweeping = Sweeper(jobs, objects, name, settings.spool_folder, Orphans(jobs, objects))
        self._steps = (
            (reconciler.INTERVAL_S, keeper.act),
            (sweeper.INTERVAL_S, sweeping.act),
        )
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        threads = CapacityLimiter(len(self._steps))
        self._tasks = [
            asyncio.create_task(self._every(interval_s, act, threads), name="upkeep")
            for interval_s, act in self._steps
        ]
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._stop.set()
        _, late = await asyncio.wait(self._tasks, timeout=LEAVE_S)
        for task in late:
            task.cancel()
        self._jobs.close()

    async def _every(
        self, interval_s: float, act: Callable[[], None], threads: CapacityLimiter
    ) -> None:
        while not self._stop.is_set():
            try:
                await to_thread.run_sync(act, limiter=threads, abandon_on_cancel=True)
            except Exception as error:
                logger.warning("upkeep: %s", error)
            await unless(self._stop, asyncio.sleep(interval_s))
