"""GET /metrics, in Prometheus' text format."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from service.api.callers import get_caller
from service.api.deps import GatewayDep
from service.api.problems import problem_responses
from service.contract.errors import ErrorCode
from service.errors import Rejected
from service.stores import counts
from service.stores.scratch import disk_space
from service.telemetry.metrics import GatewayMetrics

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    summary="Numbers for Prometheus",
    response_class=PlainTextResponse,
    responses=problem_responses(ErrorCode.UNAUTHORIZED, ErrorCode.FORBIDDEN, ErrorCode.UNAVAILABLE),
)
async def get_metrics(request: Request, gateway: GatewayDep) -> Response:
    """Of the whole service, from the job store, and of this gateway's own requests.

    Each gateway tells the same of the whole service: take it from one, or the maximum.
    """
    if not gateway.settings.public_metrics and not (await get_caller(request)).sees_all:
        raise Rejected(ErrorCode.FORBIDDEN, "/metrics needs a key with the scope 'admin'")
    metrics = request.app.state.metrics
    assert isinstance(metrics, GatewayMetrics)
    snapshot = await gateway.jobs.run(counts.snapshot())
    readers = sum(gateway.events.watched.values())
    text = metrics.text(snapshot, readers, disk_space(gateway.settings.spool_folder))
    return Response(text, media_type=CONTENT_TYPE_LATEST)
