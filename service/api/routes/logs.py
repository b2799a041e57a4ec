"""GET /jobs/{id}/logs: the life of a job."""

from __future__ import annotations

from fastapi import APIRouter

from service.api.dependencies import CallerDep, GatewayDep
from service.api.problems import problem_responses
from service.contract.errors import ErrorCode
from service.contract.log_views import JobLog
from service.gateway import Gateway
from service.stores.job_store import deliveries
from service.stores.job_store import events as event_calls
from service.stores.job_store.events import JobEvent
from service.views.job_log import job_log

router = APIRouter(tags=["jobs"])

# Events per request to the job store.
PAGE = 1000


@router.get(
    "/jobs/{job_id}/logs",
    summary="Get a job's log",
    responses=problem_responses(ErrorCode.JOB_NOT_FOUND, ErrorCode.UNAVAILABLE),
)
async def get_logs(job_id: str, caller: CallerDep, gateway: GatewayDep) -> JobLog:
    """Return the job's states, attempts, stages, warnings and webhook deliveries, in order.

    Stages are left out 15 minutes after the job's end.
    """
    await gateway.read(job_id, caller)
    messages = await gateway.jobs.run(deliveries.deliveries(job_id))
    return JobLog(entries=job_log(await _events(gateway, job_id), messages))


async def _events(gateway: Gateway, job_id: str) -> list[JobEvent]:
    events: list[JobEvent] = []
    while True:
        after = events[-1].version if events else 0
        page = await gateway.jobs.run(event_calls.events(job_id, after, PAGE))
        events += page
        if len(page) < PAGE:
            return events
