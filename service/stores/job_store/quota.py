"""Quotas: the limits that a new job is checked against, and the error when one is exceeded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from service.contract.callers import CallerLimits
from service.contract.errors import ErrorCode
from service.errors import RejectedError

# A guess: when one of the caller's waiting jobs may have begun.
QUEUE_RETRY_S = 5
RAISED = re.compile(r"QUOTA (\w+) (\S+) (\S+) (\S+) (\d+)")
DETAILS = {
    "queued_jobs": "{used} jobs are queued, the limit is {limit}; wait or cancel one",
    "input_bytes_per_day": "{used} bytes of inputs used today and {more} requested; "
    "the limit is {limit} a day (UTC)",
    "driving_s_per_day": "{used} s of driving motion used today and {more} s requested; "
    "the limit is {limit} s a day (UTC)",
    "upload_forms_per_day": "{used} upload forms made today, of files and their parts, and {more} "
    "requested; the limit is {limit} a day (UTC)",
}


class Quota(NamedTuple):
    """Limits of a caller, and the size of a job.

    Attributes:
        limits: limits by name; None if the caller has none.
        uploads: ids of uploads among the inputs; their bytes were counted with their forms.
    """

    limits: dict[str, int] | None
    input_bytes: int
    driving_ms: int
    uploads: tuple[str, ...] = ()


UNLIMITED = Quota(None, 0, 0)


def quota_of(
    limits: CallerLimits, input_bytes: int, driving_s: float, uploads: Iterable[str] = ()
) -> Quota:
    """Return the quota for a job of this size."""
    named = limits.model_dump(exclude_none=True) if limits.bounds_jobs else None
    return Quota(named, input_bytes, round(1000 * driving_s), tuple(dict.fromkeys(uploads)))


def quota_error(raised: str) -> RejectedError | None:
    """Return the error for what a script raised; None if that was something else."""
    match = RAISED.search(raised)
    if match is None:
        return None
    name, used, more, limit, retry_s = match.groups()
    detail = f"{name}: {DETAILS[name].format(used=used, more=more, limit=limit)}"
    retry = retry_s if retry_s != "0" else str(QUEUE_RETRY_S)
    return RejectedError(ErrorCode.QUOTA_EXCEEDED, detail, headers={"Retry-After": retry})
