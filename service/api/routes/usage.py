"""GET /usage: what a caller has used and has left."""

from __future__ import annotations

from datetime import datetime
from math import ceil

from fastapi import APIRouter

from service.api.dependencies import CallerDep, GatewayDep
from service.api.problems import problem_responses
from service.contract.caller_views import Allowance, StorageUse, Usage
from service.contract.errors import ErrorCode
from service.contract.job import moment
from service.contract.states import JobState
from service.jobs.long_reads import stored
from service.stores.job_store import keys

router = APIRouter(tags=["usage"])


@router.get("/usage", summary="Get your usage", responses=problem_responses(ErrorCode.UNAVAILABLE))
async def get_usage(caller: CallerDep, gateway: GatewayDep) -> Usage:
    """Return the caller's limits with what is used and left of them, its jobs and its storage."""
    used, limits = await gateway.jobs.run(keys.usage(caller.id)), caller.limits
    storage = await stored(gateway.jobs, caller.id)
    midnight = moment(used.tomorrow_ms)
    is_counted = limits.requests_per_minute is not None
    return Usage(
        caller=caller.id,
        scopes=list(caller.scopes),
        highest_priority=caller.highest_priority,
        requests_per_minute=_allowance(
            limits.requests_per_minute, used.requests if is_counted else None
        ),
        queued_jobs=_allowance(limits.queued_jobs, used.jobs[JobState.QUEUED]),
        input_bytes_per_day=_allowance(limits.input_bytes_per_day, used.bytes_today, midnight),
        driving_s_per_day=_allowance(
            limits.driving_s_per_day, ceil(used.driving_ms_today / 1000), midnight
        ),
        jobs=used.jobs,
        storage=StorageUse(
            jobs=sum(used.jobs.values()),
            input_bytes=storage.input_bytes,
            uploads=storage.uploads,
            upload_bytes=storage.upload_bytes,
        ),
    )


def _allowance(limit: int | None, used: int | None, resets_at: datetime | None = None) -> Allowance:
    remaining = None if limit is None or used is None else max(0, limit - used)
    return Allowance(limit=limit, used=used, remaining=remaining, resets_at=resets_at)
