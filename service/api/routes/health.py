"""Liveness and readiness probes."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from service.api.dependencies import GatewayDep, get_caller
from service.api.problems import RETRY_AFTER_S, problem_responses
from service.contract import examples
from service.contract.errors import ErrorCode
from service.contract.queues import Queue
from service.contract.workers import WorkerInfo
from service.errors import RejectedError
from service.stores.job_store import presence

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The gateway is alive."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "ok"}})

    status: str = "ok"


class Ready(BaseModel):
    """The service accepts and processes jobs."""

    model_config = ConfigDict(json_schema_extra={"example": examples.READY})

    status: str = "ready"
    workers: list[WorkerInfo] = Field(description="Live workers; empty without a valid key.")


@router.get("/healthz", summary="Liveness of the gateway")
async def healthz() -> Alive:
    """Return 200 while the gateway runs; it does not check Redis or workers, see `/readyz`."""
    return Alive()


@router.get(
    "/readyz",
    summary="Readiness of the service",
    responses=problem_responses(ErrorCode.UNAVAILABLE),
)
async def readyz(request: Request, gateway: GatewayDep) -> Ready:
    """Return 200 when Redis answers and each queue has a ready worker."""
    workers = await gateway.jobs.run(presence.workers())
    served = {queue for worker in workers if worker.ready for queue in worker.queues}
    missing = [queue.value for queue in Queue if queue not in served]
    if missing:
        stalled = sum(worker.stalled for worker in workers)
        alive = f"{len(workers)} alive" + (f", {stalled} stalled" if stalled else "")
        raise RejectedError(
            ErrorCode.UNAVAILABLE,
            f"no worker is ready for: {', '.join(missing)} ({alive})",
            headers={"Retry-After": str(RETRY_AFTER_S)},
        )
    return Ready(workers=workers if await _is_authorized(request) else [])


async def _is_authorized(request: Request) -> bool:
    """Return whether to show workers: probes need no key, but host names are not public."""
    try:
        await get_caller(request)
    except RejectedError:
        return False
    return True
