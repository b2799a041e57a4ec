"""Liveness and readiness probes."""

from __future__ import annotations

import logging

from anyio import fail_after, to_thread
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from service.api.dependencies import GatewayDep, get_caller
from service.api.openapi.security import SECURITY
from service.api.problems import RETRY_AFTER_S, problem_responses
from service.contract import examples
from service.contract.errors import ErrorCode
from service.contract.queues import Queue
from service.contract.workers import WorkerInfo
from service.errors import RejectedError, UnavailableError
from service.gateway import Gateway
from service.stores.job_store import presence

logger = logging.getLogger(__name__)

router = APIRouter(tags=["health"])

STORE_TIMEOUT_S = 3.0


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
    openapi_extra={"security": SECURITY},
    responses=problem_responses(ErrorCode.UNAVAILABLE),
)
async def readyz(request: Request, gateway: GatewayDep) -> Ready:
    """Return 200 when Redis and the object store answer and each queue has a ready worker.

    503 names every part that is missing.
    """
    workers: list[WorkerInfo] = []
    missing = []
    try:
        workers = await gateway.jobs.run(presence.workers())
        missing += _unserved_queues(workers)
    except UnavailableError as error:
        logger.warning("not ready: %s", error)
        missing.append("Redis does not answer")
    missing += await _store_problems(gateway)
    if missing:
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        raise RejectedError(ErrorCode.UNAVAILABLE, "; ".join(missing), headers=headers)
    return Ready(workers=workers if await _is_authorized(request) else [])


def _unserved_queues(workers: list[WorkerInfo]) -> list[str]:
    """Return that queues have no ready worker, if so."""
    served = {queue for worker in workers if worker.ready for queue in worker.queues}
    queues = [queue.value for queue in Queue if queue not in served]
    if not queues:
        return []
    stalled = sum(worker.stalled for worker in workers)
    alive = f"{len(workers)} alive" + (f", {stalled} stalled" if stalled else "")
    return [f"no worker is ready for: {', '.join(queues)} ({alive})"]


async def _store_problems(gateway: Gateway) -> list[str]:
    """Return that the object store cannot be used, if so; the log has the reason."""
    try:
        with fail_after(STORE_TIMEOUT_S):
            # One thread, however many probes wait for a store that does not answer.
            await to_thread.run_sync(
                gateway.objects.check, limiter=gateway.store_check, abandon_on_cancel=True
            )
    except UnavailableError as error:
        logger.warning("not ready: %s", error)
    except TimeoutError:
        logger.warning("not ready: the object store does not answer within %g s", STORE_TIMEOUT_S)
    else:
        return []
    return ["the object store cannot be used (see the log of the gateway, or tcan doctor)"]


async def _is_authorized(request: Request) -> bool:
    """Return whether to show workers: probes need no key, but host names are not public."""
    try:
        await get_caller(request)
    except RejectedError:
        return False
    return True
