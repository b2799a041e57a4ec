"""Is the gateway alive, and can the service do its work?"""

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
    """The gateway answers."""

    model_config = ConfigDict(json_schema_extra={"example": {"status": "ok"}})

    status: str = "ok"


class Ready(BaseModel):
    """The service takes jobs and does them."""

    model_config = ConfigDict(json_schema_extra={"example": examples.READY})

    status: str = "ready"
    workers: list[WorkerInfo] = Field(
        description="Workers that live; none are told to who may not use the service."
    )


@router.get("/healthz", summary="Is the gateway alive")
async def healthz() -> Alive:
    """Says nothing about the parts behind the gateway; see `/readyz`."""
    return Alive()


@router.get(
    "/readyz",
    summary="Can the service do its work",
    responses=problem_responses(ErrorCode.UNAVAILABLE),
)
async def readyz(request: Request, gateway: GatewayDep) -> Ready:
    """200 when the broker answers and each queue has a worker that is ready to work on it."""
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
    return Ready(workers=workers if await _may_know(request) else [])


async def _may_know(request: Request) -> bool:
    """Probes need no key; names of machines are not for everybody."""
    try:
        await get_caller(request)
    except RejectedError:
        return False
    return True
