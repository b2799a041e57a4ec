"""GET /metrics, in Prometheus' text format."""

from __future__ import annotations

from hmac import compare_digest

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from service.api.dependencies import GatewayDep, get_caller
from service.api.openapi.security import SECURITY
from service.api.problems import problem_responses
from service.auth.authenticator import presented_key
from service.contract import examples
from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.settings import Settings
from service.stores.job_store import counts
from service.stores.scratch import disk_space
from service.telemetry.metrics import GatewayMetrics

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=PlainTextResponse,
    openapi_extra={"security": SECURITY},
    responses={
        200: {"content": {"text/plain": {"example": examples.METRICS}}},
        **problem_responses(ErrorCode.UNAUTHORIZED, ErrorCode.FORBIDDEN, ErrorCode.UNAVAILABLE),
    },
)
async def get_metrics(request: Request, gateway: GatewayDep) -> Response:
    """Return metrics of the whole service, from the job store, and of this gateway's requests.

    Service metrics are the same in every gateway: use one, or the maximum. Needs
    `TCAN_METRICS_TOKEN` as a bearer token, or a key with the scope `admin`, or no key while
    anonymous access is allowed.
    """
    await _check_reader(request, gateway.settings)
    metrics = request.app.state.metrics
    assert isinstance(metrics, GatewayMetrics)
    snapshot = await gateway.jobs.run(counts.service_stats())
    metrics.spool_reserved.set(gateway.disk_budget.used_bytes)
    metrics.body_memory.set(gateway.body_memory.used_bytes)
    readers = sum(gateway.events.watched.values())
    text = metrics.text(snapshot, readers, disk_space(gateway.settings.spool_folder))
    return Response(text, media_type=CONTENT_TYPE_LATEST)


async def _check_reader(request: Request, settings: Settings) -> None:
    """Raise RejectedError without access to the metrics."""
    key, token = presented_key(request.headers), settings.metrics_token
    if settings.public_metrics:
        return
    if key is not None and token is not None:
        if compare_digest(key.encode(), token.get_secret_value().encode()):
            return
    caller = await get_caller(request)
    if not (caller.is_anonymous or caller.sees_all):
        detail = "/metrics needs the token TCAN_METRICS_TOKEN or a key with the scope 'admin'"
        raise RejectedError(ErrorCode.FORBIDDEN, detail)
