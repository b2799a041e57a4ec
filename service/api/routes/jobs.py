"""The jobs: look at one, list them, cancel, erase."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BeforeValidator

from service.api.dependencies import CallerDep, GatewayDep
from service.api.long_poll import POLL_AFTER_S
from service.api.pagination import CURSOR, next_page, read_cursor
from service.api.problems import problem_responses
from service.auth.authenticator import Caller
from service.contract.callers import CALLER
from service.contract.errors import ErrorCode
from service.contract.job import ANONYMOUS
from service.contract.states import JobState
from service.contract.views import JobList, JobView
from service.errors import RejectedError
from service.gateway import Gateway, job_not_found
from service.jobs.views import view, view_snapshot
from service.stores.job_store import commands

router = APIRouter(prefix="/jobs", tags=["jobs"])


def _written(value: object) -> object:
    """Pydantic would take numbers for seconds since 1970 as well."""
    if isinstance(value, str) and not WRITTEN.match(value):
        raise ValueError("write it like 2026-11-22T10:00:00Z")
    return value


WRITTEN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")
Moment = Annotated[AwareDatetime, BeforeValidator(_written)]

MISSING = problem_responses(ErrorCode.JOB_NOT_FOUND, ErrorCode.UNAVAILABLE)
# No caller's name begins like this.
NOBODY = "-"
PAGED: dict[int | str, dict[str, Any]] = {
    200: {
        "headers": {
            "Link": {
                "description": 'The next page, as `<...>; rel="next"`.',
                "schema": {"type": "string"},
            }
        }
    }
}


@router.get("/{job_id}", summary="How a job stands", response_model=JobView, responses=MISSING)
async def get_job(job_id: str, caller: CallerDep, gateway: GatewayDep) -> Response:
    """The job with its progress; `Retry-After` says when to look again while it has not ended."""
    snapshot = await gateway.read(job_id, caller)
    shown = view_snapshot(snapshot, show_caller=caller.sees_all)
    headers = {"Cache-Control": "no-store"}
    if not snapshot.record.state.is_terminal:
        headers["Retry-After"] = str(POLL_AFTER_S)
    # The most frequent request of all: the view is written out once, not checked a second time.
    text = shown.model_dump_json()
    return Response(text, media_type="application/json", headers=headers)


@router.get(
    "",
    summary="The jobs",
    responses=PAGED | problem_responses(ErrorCode.INVALID_REQUEST, ErrorCode.UNAVAILABLE),
)
async def list_jobs(
    request: Request,
    response: Response,
    caller: CallerDep,
    gateway: GatewayDep,
    status: Annotated[list[JobState] | None, Query(description="Of these states alone.")] = None,
    created_after: Annotated[
        Moment | None, Query(description="Made then or later; a time with its zone.")
    ] = None,
    created_before: Annotated[Moment | None, Query(description="Made before then.")] = None,
    of_caller: Annotated[
        str | None,
        Query(
            alias="caller",
            pattern=CALLER,
            description="Of this caller alone; all others' jobs need the scope admin.",
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Jobs on a page.")] = 50,
    cursor: Annotated[
        str | None, Query(pattern=CURSOR, description="From `next` of the page before.")
    ] = None,
) -> JobList:
    """Jobs, newest first. `next` and the header `Link` lead to the next page."""
    records = await gateway.jobs.run(
        commands.recent(
            limit,
            None if cursor is None else read_cursor(cursor),
            caller=await _whose(gateway, caller, of_caller),
            states=status or (),
            since_ms=_ms(created_after),
            until_ms=_ms(created_before),
        )
    )
    following = next_page("/jobs", request.query_params.multi_items(), records, limit)
    if following is not None:
        response.headers["Link"] = f'<{following}>; rel="next"'
    shown = [view(record, show_caller=caller.sees_all) for record in records]
    return JobList(jobs=shown, next=following)


async def _whose(gateway: Gateway, caller: Caller, asked: str | None) -> Sequence[str]:
    """The callers whose jobs are listed; one who asks for another's finds none."""
    if asked is not None:
        return [asked] if caller.sees_all or asked == caller.id else [NOBODY]
    if caller.sees_all:
        return [ANONYMOUS, *await gateway.authenticator.keyring.callers()]
    return [caller.id]


@router.post("/{job_id}/cancel", summary="Cancel a job", responses=MISSING)
async def cancel_job(job_id: str, caller: CallerDep, gateway: GatewayDep) -> JobView:
    """A waiting job ends at once, a running one within a step; an ended one stays as it is."""
    await gateway.read(job_id, caller)
    record = await gateway.jobs.run(commands.cancel(job_id))
    if record is None:
        raise job_not_found(job_id)
    return view(record)


@router.delete(
    "/{job_id}",
    status_code=204,
    summary="Erase an ended job",
    responses=MISSING | problem_responses(ErrorCode.JOB_NOT_ENDED),
)
async def erase_job(job_id: str, caller: CallerDep, gateway: GatewayDep) -> None:
    """The record and all objects are gone afterwards. Cancel a job first that has not ended.

    Messages to its webhook go with it, also those that the receiver has not taken yet.
    """
    record = (await gateway.read(job_id, caller)).record
    if not record.state.is_terminal:
        raise RejectedError(
            ErrorCode.JOB_NOT_ENDED, f"the job is {record.state}; cancel it before you erase it"
        )
    await to_thread.run_sync(gateway.objects.delete, f"jobs/{job_id}")
    await gateway.jobs.run(commands.erase(job_id))


def _ms(time: datetime | None) -> int | None:
    return None if time is None else round(time.timestamp() * 1000)
