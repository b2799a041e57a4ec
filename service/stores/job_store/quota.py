"""What a new job is weighed against, and the refusal when it is too much."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from service.contract.callers import CallerLimits
from service.contract.errors import ErrorCode
from service.errors import RejectedError

# A waiting job of the caller has begun by then, or not; there is no better guess.
QUEUE_RETRY_S = 5
RAISED = re.compile(r"QUOTA (\w+) (\S+) (\S+) (\S+) (\d+)")
SAYS = {
    "queued_jobs": "{has} jobs wait; at most {most} may",
    "input_bytes_per_day": "{has} bytes of inputs today, and now {more}; at most {most} a day",
    "driving_s_per_day": "{has} s of driving motion today, and now {more}; at most {most} a day",
}


class Quota(NamedTuple):
    """The caller's limits as JSON ('' for none), the job's size, and its uploads with commas."""

    limits: str
    input_bytes: int
    driving_ms: int
    uploads: str = ""


FREE = Quota("", 0, 0)


def quota_of(
    limits: CallerLimits, input_bytes: int, driving_s: float, uploads: Iterable[str] = ()
) -> Quota:
    """The quota of a job of this size; what callers without limits make is not counted.

    Args:
        uploads: ids of those among the inputs, whose forms have been counted.
    """
    if not limits.bounds_jobs:
        return FREE
    text = limits.model_dump_json(exclude_none=True)
    return Quota(text, input_bytes, round(1000 * driving_s), ",".join(dict.fromkeys(uploads)))


def quota_error(raised: str) -> RejectedError | None:
    """The refusal in the error of a script; None when it says something else."""
    found = RAISED.search(raised)
    if found is None:
        return None
    name, has, more, most, retry_s = found.groups()
    detail = f"{name}: {SAYS[name].format(has=has, more=more, most=most)}"
    retry = retry_s if retry_s != "0" else str(QUEUE_RETRY_S)
    return RejectedError(ErrorCode.QUOTA_EXCEEDED, detail, headers={"Retry-After": retry})
