"""Jobs: get, list, change, cancel, erase."""

from __future__ import annotations

import re
from datetime import datetime
from functools import partial
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BeforeValidator, Field

from service.api.dependencies import CallerDep, GatewayDep
from service.api.long_poll import POLL_AFTER_S
from service.api.openapi.request_bodies import schema_of
from service.api.pagination import PAGED, PageCursor, next_page, read_cursor
from service.api.problems import problem_responses
from service.auth.authenticator import Caller
from service.contract.callers import CALLER
from service.contract.errors import ErrorCode
from service.contract.options import MAX_METADATA, METADATA_PAIR
from service.contract.requests import JobChanges
from service.contract.states import JobState
from service.contract.views import JobList, JobView
from service.errors import RejectedError
from service.gateway import job_not_found
from service.jobs.long_reads import full_page
from service.stores.job_store import commands
from service.stores.job_store.metadata import change_metadata
from service.submission.receive import read_json
from service.views.job_views import view

router = APIRouter(prefix="/jobs", tags=["jobs"])


def _require_date(value: object) -> object:
    """Reject numbers, which pydantic would read as seconds since 1970."""
    if isinstance(value, str) and not DATE.match(value):
        raise ValueError("must be a date and time like 2026-11-22T10:00:00Z")
    return value


MetadataPair = Annotated[str, Field(pattern=METADATA_PAIR)]
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")
Moment = Annotated[AwareDatetime, BeforeValidator(_require_date)]

CHANGES_BODY = {
    "content": {
        "application/json": {
            "schema": schema_of(JobChanges),
            "example": {"metadata": {"name": "Harbor, second try", "shot": None}},
        }
    }
}
MISSING = problem_responses(ErrorCode.JOB_NOT_FOUND, ErrorCode.UNAVAILABLE)
# Not a valid caller name, so it has no jobs.
NO_CALLER = "-"


@router.get("/{job_id}", summary="Get a job", response_model=JobView, responses=MISSING)
async def get_job(job_id: str, caller: CallerDep, gateway: GatewayDep) -> Response:
    """Return the job; `Retry-After` suggests when to poll again while it has not ended."""
    snapshot = await gateway.read(job_id, caller)
    job_view = gateway.view(snapshot, caller)
    headers = {"Cache-Control": "no-store"}
    if not snapshot.record.state.is_terminal:
        headers["Retry-After"] = str(POLL_AFTER_S)
    # The most frequent request: returning JSON skips FastAPI's second validation of the view.
    text = job_view.model_dump_json()
    return Response(text, media_type="application/json", headers=headers)


@router.get(
    "",
    summary="List jobs",
    responses=PAGED | problem_responses(ErrorCode.INVALID_REQUEST, ErrorCode.UNAVAILABLE),
)
async def list_jobs(
    request: Request,
    response: Response,
    caller: CallerDep,
    gateway: GatewayDep,
    status: Annotated[
        list[JobState] | None, Query(description="Only jobs in these states.")
    ] = None,
    metadata: Annotated[
        list[MetadataPair] | None,
        Query(
            max_length=MAX_METADATA,
            description="Only jobs with this metadata, as `name=value`; repeated, all must match.",
            examples=[["shot=12"]],
        ),
    ] = None,
    created_after: Annotated[
        Moment | None,
        Query(description="Only jobs created at this time or later; with a time zone."),
    ] = None,
    created_before: Annotated[
        Moment | None, Query(description="Only jobs created before this time.")
    ] = None,
    of_caller: Annotated[
        str | None,
        Query(
            alias="caller",
            pattern=CALLER,
            description="Only this caller's jobs; other callers' jobs need the scope admin.",
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Jobs per page.")] = 50,
    cursor: PageCursor = None,
) -> JobList:
    """List jobs, newest first. `next` and the header `Link` point to the next page."""
    find = partial(
        commands.recent,
        caller=_listed_caller(caller, of_caller),
        states=status or (),
        metadata=metadata or (),
        since_ms=_ms(created_after),
        until_ms=_ms(created_before),
    )
    page = await full_page(
        gateway.jobs, find, limit, None if cursor is None else read_cursor(cursor)
    )
    url = f"{gateway.settings.public_url}/jobs"
    following = next_page(url, request.query_params.multi_items(), page.following)
    if following is not None:
        response.headers["Link"] = f'<{following}>; rel="next"'
    job_views = [gateway.view(snapshot, caller) for snapshot in page.jobs]
    return JobList(jobs=job_views, next=following)


def _listed_caller(caller: Caller, requested: str | None) -> str:
    """Return the caller whose jobs are listed; without admin, another caller has none."""
    if requested is None:
        return commands.EVERYONE if caller.sees_all else caller.id
    return requested if caller.sees_all or requested == caller.id else NO_CALLER


@router.patch(
    "/{job_id}",
    summary="Change a job's metadata",
    openapi_extra={"requestBody": CHANGES_BODY},
    responses=MISSING
    | problem_responses(
        ErrorCode.INVALID_REQUEST,
        ErrorCode.TOO_MUCH_METADATA,
        ErrorCode.BODY_TOO_LARGE,
        ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    ),
)
async def change_job(
    request: Request, job_id: str, caller: CallerDep, gateway: GatewayDep
) -> JobView:
    """Set and remove texts of a job in any state, such as its name; lists filter by them at once.

    The manifest has the texts that a job had when it ended. No event and no webhook is sent.
    """
    await gateway.read(job_id, caller)
    changes = await read_json(JobChanges, request.headers, request.stream()) or JobChanges()
    snapshot = await gateway.jobs.run(change_metadata(job_id, changes.metadata))
    if snapshot is None:
        raise job_not_found(job_id)
    return gateway.view(snapshot, caller)


@router.post("/{job_id}/cancel", summary="Cancel a job", responses=MISSING)
async def cancel_job(job_id: str, caller: CallerDep, gateway: GatewayDep) -> JobView:
    """Cancel a job: a queued one at once, a running one within a step, an ended one not at all."""
    await gateway.read(job_id, caller)
    record = await gateway.jobs.run(commands.cancel(job_id))
    if record is None:
        raise job_not_found(job_id)
    return view(record, base_url=gateway.settings.public_url)


@router.delete(
    "/{job_id}",
    status_code=204,
    summary="Erase an ended job",
    responses=MISSING | problem_responses(ErrorCode.JOB_NOT_ENDED),
)
async def erase_job(job_id: str, caller: CallerDep, gateway: GatewayDep) -> None:
    """Erase an ended job with all its objects. Cancel a job first that has not ended.

    Undelivered messages to its webhook are erased too.
    """
    record = (await gateway.read(job_id, caller)).record
    if not record.state.is_terminal:
        raise RejectedError(
            ErrorCode.JOB_NOT_ENDED, f"the job is {record.state}; cancel it before you erase it"
        )
    await to_thread.run_sync(
        gateway.objects.delete, f"jobs/{job_id}", limiter=gateway.store_threads
    )
    await gateway.jobs.run(commands.erase(job_id))


def _ms(time: datetime | None) -> int | None:
    return None if time is None else round(time.timestamp() * 1000)
