"""Webhooks as their caller sees them: the log of a job's messages, redelivery, the secrets."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from service.api.dependencies import CallerDep, GatewayDep
from service.api.problems import problem_responses
from service.contract.delivery_views import (
    DeliveryList,
    DeliveryView,
    Secrets,
    SecretView,
)
from service.contract.errors import ErrorCode
from service.contract.job import moment
from service.errors import RejectedError
from service.gateway import Gateway
from service.jobs.views import view_delivery
from service.stores.job_store import deliveries as delivery_calls
from service.stores.job_store.deliveries import Secret

router = APIRouter(tags=["webhooks"])

DAY_S = 24 * 3600
MISSING = problem_responses(ErrorCode.JOB_NOT_FOUND, ErrorCode.UNAVAILABLE)


@router.get("/jobs/{job_id}/deliveries", summary="Messages to a job's webhook", responses=MISSING)
async def get_deliveries(job_id: str, caller: CallerDep, gateway: GatewayDep) -> DeliveryList:
    """Each message with every attempt to deliver it."""
    await gateway.read(job_id, caller)
    found = await gateway.jobs.run(delivery_calls.deliveries(job_id))
    return DeliveryList(deliveries=[view_delivery(delivery) for delivery in found])


@router.post(
    "/jobs/{job_id}/deliveries/{n}/redeliver",
    status_code=202,
    summary="Send a message once more",
    responses=problem_responses(
        ErrorCode.JOB_NOT_FOUND,
        ErrorCode.DELIVERY_NOT_FOUND,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.UNAVAILABLE,
    ),
)
async def redeliver(
    job_id: str,
    n: Annotated[int, Path(ge=1, le=1000, description="The message's number.")],
    caller: CallerDep,
    gateway: GatewayDep,
) -> DeliveryView:
    """Sent at once and with the same id; when it fails, it is tried again as at first.

    A receiver that was disabled by its answer 410 is no longer so.
    """
    await gateway.read(job_id, caller)
    delivery = await gateway.jobs.run(delivery_calls.redeliver(job_id, n))
    if delivery is None:
        raise RejectedError(ErrorCode.DELIVERY_NOT_FOUND, f"job {job_id} has no message {n}")
    return view_delivery(delivery)


@router.get(
    "/webhooks/secret",
    summary="What verifies webhooks",
    responses=problem_responses(ErrorCode.UNAVAILABLE),
)
async def get_secret(caller: CallerDep, gateway: GatewayDep, response: Response) -> Secrets:
    """The secrets of this caller. Verify with the library of Standard Webhooks."""
    response.headers["Cache-Control"] = "no-store"
    found = await gateway.jobs.run(delivery_calls.secrets(caller.id))
    return _secrets(gateway, caller.id, found)


@router.post(
    "/webhooks/secret/rotate",
    summary="Make a new secret",
    responses=problem_responses(ErrorCode.INVALID_REQUEST, ErrorCode.UNAVAILABLE),
)
async def rotate_secret(
    caller: CallerDep,
    gateway: GatewayDep,
    response: Response,
    overlap_s: Annotated[
        int, Query(ge=0, le=7 * DAY_S, description="For how long older secrets go on signing.")
    ] = DAY_S,
) -> Secrets:
    """Messages are signed with the old secrets as well until they retire."""
    response.headers["Cache-Control"] = "no-store"
    found = await gateway.jobs.run(delivery_calls.rotate_secret(caller.id, overlap_s * 1000))
    return _secrets(gateway, caller.id, found)


def _secrets(gateway: Gateway, caller: str, found: list[Secret]) -> Secrets:
    signer = gateway.signer
    return Secrets(
        secrets=[
            SecretView(
                secret=signer.secret(caller, secret.generation),
                retires_at=moment(secret.retires_ms),
            )
            for secret in found
        ],
        public_keys=signer.public_keys(),
    )
