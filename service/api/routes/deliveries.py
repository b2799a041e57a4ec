"""Webhooks: the log of a job's messages, redelivery, and the secrets."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from service.api.dependencies import CallerDep, GatewayDep
from service.api.problems import problem_responses
from service.auth.authenticator import check_scope
from service.contract.callers import Scope
from service.contract.delivery_views import DeliveryList, DeliveryView, Secrets, SecretView
from service.contract.errors import ErrorCode
from service.contract.job import optional_moment
from service.errors import RejectedError
from service.gateway import Gateway
from service.stores.job_store import deliveries as delivery_calls
from service.stores.job_store.deliveries import Secret
from service.views.job_views import view_delivery

router = APIRouter(tags=["webhooks"])

DAY_S = 24 * 3600
MISSING = problem_responses(ErrorCode.JOB_NOT_FOUND, ErrorCode.UNAVAILABLE)


@router.get("/jobs/{job_id}/deliveries", summary="List a job's webhook messages", responses=MISSING)
async def get_deliveries(job_id: str, caller: CallerDep, gateway: GatewayDep) -> DeliveryList:
    """List the messages to the job's webhook, each with its delivery attempts."""
    await gateway.read(job_id, caller)
    deliveries = await gateway.jobs.run(delivery_calls.deliveries(job_id))
    return DeliveryList(deliveries=[view_delivery(delivery) for delivery in deliveries])


@router.post(
    "/jobs/{job_id}/deliveries/{n}/redeliver",
    status_code=202,
    summary="Send a webhook message again",
    responses=problem_responses(
        ErrorCode.JOB_NOT_FOUND,
        ErrorCode.DELIVERY_NOT_FOUND,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.UNAVAILABLE,
    ),
)
async def redeliver(
    job_id: str,
    n: Annotated[int, Path(ge=1, le=1000, description="Number of the message.")],
    caller: CallerDep,
    gateway: GatewayDep,
) -> DeliveryView:
    """Send the message now, with the same id and a new series of retries.

    This re-enables a receiver that was disabled by its response 410.
    """
    await gateway.read(job_id, caller)
    delivery = await gateway.jobs.run(delivery_calls.redeliver(job_id, n))
    if delivery is None:
        raise RejectedError(ErrorCode.DELIVERY_NOT_FOUND, f"job {job_id} has no message {n}")
    return view_delivery(delivery)


@router.get(
    "/webhooks/secret",
    summary="Get the webhook secrets",
    responses=problem_responses(ErrorCode.UNAVAILABLE),
)
async def get_secret(caller: CallerDep, gateway: GatewayDep, response: Response) -> Secrets:
    """Return the caller's secrets, for verification with a Standard Webhooks library.

    Whoever knows a secret can forge messages, so the key needs the scope `submit`.
    """
    check_scope(caller, Scope.SUBMIT, "the webhook secret")
    response.headers["Cache-Control"] = "no-store"
    secrets = await gateway.jobs.run(delivery_calls.secrets(caller.id))
    return _secrets(gateway, caller.id, secrets)


@router.post(
    "/webhooks/secret/rotate",
    summary="Rotate the webhook secret",
    responses=problem_responses(ErrorCode.INVALID_REQUEST, ErrorCode.UNAVAILABLE),
)
async def rotate_secret(
    caller: CallerDep,
    gateway: GatewayDep,
    response: Response,
    overlap_s: Annotated[
        int,
        Query(
            ge=0,
            le=7 * DAY_S,
            description="How long older secrets stay valid, in seconds; at most nine of them do.",
        ),
    ] = DAY_S,
) -> Secrets:
    """Create a new secret. Old secrets also sign messages until they expire."""
    response.headers["Cache-Control"] = "no-store"
    secrets = await gateway.jobs.run(delivery_calls.rotate_secret(caller.id, overlap_s * 1000))
    return _secrets(gateway, caller.id, secrets)


def _secrets(gateway: Gateway, caller: str, found: list[Secret]) -> Secrets:
    signer = gateway.signer
    return Secrets(
        secrets=[
            SecretView(
                secret=signer.secret(caller, secret.generation),
                retires_at=optional_moment(secret.retires_ms),
            )
            for secret in found
        ],
        public_keys=signer.public_keys(),
    )
