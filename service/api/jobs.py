"""The jobs: look at one, list them, cancel."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.api.deps import GatewayDep, unknown_job
from service.api.problems import problem_responses
from service.api.submit import POLL_AFTER_S
from service.api.views import JobList, JobView, view, view_placed
from service.contract.errors import ErrorCode
from service.stores import calls

router = APIRouter(prefix="/jobs", tags=["jobs"])

MISSING = problem_responses(ErrorCode.JOB_NOT_FOUND, ErrorCode.UNAVAILABLE)


@router.get("/{job_id}", summary="How a job stands", responses=MISSING)
async def get_job(job_id: str, response: Response, gateway: GatewayDep) -> JobView:
    """The job with its progress; `Retry-After` says when to look again while it has not ended."""
    placed = await gateway.read(job_id)
    response.headers["Cache-Control"] = "no-store"
    if not placed.record.state.is_terminal:
        response.headers["Retry-After"] = str(POLL_AFTER_S)
    return view_placed(placed)


@router.get("", summary="The jobs", responses=problem_responses(ErrorCode.UNAVAILABLE))
async def list_jobs(
    gateway: GatewayDep,
    limit: Annotated[int, Query(ge=1, le=200, description="Jobs on a page.")] = 50,
    after: Annotated[str, Query(description="The last job of the page before.")] = "",
) -> JobList:
    """Jobs, newest first."""
    records = await gateway.jobs.run(calls.recent(limit, after))
    full = len(records) == limit
    following = f"/jobs?limit={limit}&after={records[-1].id}" if full else None
    return JobList(jobs=[view(record) for record in records], next=following)


@router.post("/{job_id}/cancel", summary="Cancel a job", responses=MISSING)
async def cancel_job(job_id: str, gateway: GatewayDep) -> JobView:
    """A waiting job ends at once, a running one within a step; an ended one stays as it is."""
    record = await gateway.jobs.run(calls.cancel(job_id))
    if record is None:
        raise unknown_job(job_id)
    return view(record)
