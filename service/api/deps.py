"""What the routes stand on, opened once per gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request

from service.api.callers import Caller
from service.contract.errors import ErrorCode
from service.errors import Rejected
from service.settings import Settings
from service.stores import calls
from service.stores.hints import Hints
from service.stores.jobs import AsyncJobs
from service.stores.objects import ObjectStore, open_objects

# Decoding costs processor and memory; more at a time would only make each one slower.
CONCURRENT_INSPECTIONS = 2


@dataclass(frozen=True)
class Gateway:
    """The stores behind the routes."""

    settings: Settings
    jobs: AsyncJobs
    objects: ObjectStore
    hints: Hints
    inspections: CapacityLimiter

    async def read(self, job_id: str, caller: Caller) -> calls.Placed:
        """The caller's job. Raises Rejected (`job_not_found`)."""
        placed = await self.jobs.run(calls.read(job_id))
        if placed is None or placed.record.caller != caller.id:
            raise unknown_job(job_id)
        return placed


def unknown_job(job_id: str) -> Rejected:
    """The refusal of an id that no job has."""
    return Rejected(ErrorCode.JOB_NOT_FOUND, f"there is no job {job_id!r}")


@asynccontextmanager
async def open_gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """Open the stores, and close them at the end."""
    url = settings.broker_url()
    settings.spool_folder.mkdir(parents=True, exist_ok=True)
    gateway = Gateway(
        settings=settings,
        jobs=AsyncJobs.connect(url),
        objects=open_objects(settings),
        hints=Hints(url),
        inspections=CapacityLimiter(CONCURRENT_INSPECTIONS),
    )
    try:
        yield gateway
    finally:
        await gateway.jobs.close()
        gateway.hints.close()


def get_gateway(request: Request) -> Gateway:
    """The gateway that serves this request."""
    gateway = request.app.state.gateway
    assert isinstance(gateway, Gateway)
    return gateway


GatewayDep = Annotated[Gateway, Depends(get_gateway)]
