"""Maintenance tasks of a gateway, so that deadlines and retention do not depend on workers."""

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
from service.maintenance.orphans import OrphanSweeper
from service.maintenance.reconciler import Reconciler
from service.maintenance.sweeper import Sweeper
from service.outage import Outage
from service.settings import Settings
from service.shutdown import run_unless_stopped
from service.stores.job_store.hints import HintSender
from service.stores.job_store.store import Clock, JobStore
from service.stores.object_store.base import ObjectStore

logger = logging.getLogger(__name__)

# How long to wait at shutdown; a store that does not answer may block for longer.
SHUTDOWN_S = 2.0


class GatewayTasks:
    """Runs the reconciler and the sweeper in their own threads, during an `async with` block.

    Args:
        clock: now in ms since 1970; None takes the Redis server's clock.

    Raises:
        SettingsError: no Redis URL is set.
    """

    def __init__(self, settings: Settings, objects: ObjectStore, clock: Clock | None) -> None:
        self._jobs = jobs = JobStore.connect(settings.broker_url(), clock)
        name = f"gateway-{socket.gethostname()}-{os.getpid()}-{token_hex(2)}"
        limits = (settings.max_attempts, settings.hint_age_ms, settings.lease_ms)
        reconciling = Reconciler(jobs, HintSender(jobs), name, *limits)
        sweeping = Sweeper(jobs, objects, name, settings.spool_folder, OrphanSweeper(jobs, objects))
        self._steps = (
            ("reconciler", reconciler.INTERVAL_S, reconciling.act),
            ("sweeper", sweeper.INTERVAL_S, sweeping.act),
        )
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        threads = CapacityLimiter(len(self._steps))
        self._tasks = [
            asyncio.create_task(self._every(step, interval_s, act, threads), name="maintenance")
            for step, interval_s, act in self._steps
        ]
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._stop.set()
        _, late = await asyncio.wait(self._tasks, timeout=SHUTDOWN_S)
        for task in late:
            task.cancel()
        self._jobs.close()

    async def _every(
        self, step: str, interval_s: float, act: Callable[[], object], threads: CapacityLimiter
    ) -> None:
        """Repeat a step until the shutdown; without a pause while it returns True, for more."""
        outage = Outage(step, logger)
        while not self._stop.is_set():
            pause_s = interval_s
            try:
                has_more = await to_thread.run_sync(act, limiter=threads, abandon_on_cancel=True)
                pause_s = 0.0 if has_more is True else interval_s
                outage.end()
            except Exception as error:
                pause_s = max(interval_s, outage.report(error))
            await run_unless_stopped(self._stop, asyncio.sleep(pause_s))
