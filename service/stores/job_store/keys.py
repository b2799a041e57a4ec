"""Commands on API keys, and on what callers use.

Keys in Redis: `keys`, hash of descriptions by id, including revoked ones, so that anonymous access
never returns once a key existed; `requests:{caller}`, times of the requests of the last minute;
`usage:{caller}:{day}`, hash of what the caller's jobs used on a day.
"""

from __future__ import annotations

from operator import attrgetter
from typing import NamedTuple

from service.contract.callers import WINDOW_S, ApiKey, CallerLimits
from service.contract.states import JobState
from service.stores.job_store.commands import Command


class RateLimitResult(NamedTuple):
    """Result of a rate limit check.

    Attributes:
        allowed: within the limit, and counted.
        remaining: further requests allowed now.
        retry_after_ms: when one more will be allowed.
    """

    allowed: bool
    remaining: int
    retry_after_ms: int


class CallerUsage(NamedTuple):
    """Use of the limits and jobs of a caller.

    Attributes:
        requests: those of the last minute; counted only for callers with a limit.
        bytes_today: bytes of inputs, and maximum sizes of unused uploads, since midnight (UTC).
        driving_ms_today: duration of the driving motion since midnight (UTC).
        tomorrow_ms: the next midnight (UTC), in ms since 1970.
        jobs: number of stored jobs by state.
    """

    requests: int
    bytes_today: int
    driving_ms_today: int
    tomorrow_ms: int
    jobs: dict[JobState, int]


class CallerStorage(NamedTuple):
    """Storage that some of a caller's jobs and uploads use.

    Attributes:
        input_bytes: bytes of the jobs' inputs.
        uploads: uploads that have not been deleted.
        upload_bytes: their maximum sizes.
        is_last: whether these are the last ones.
    """

    input_bytes: int
    uploads: int
    upload_bytes: int
    is_last: bool


def put_key(key: ApiKey) -> Command[str]:
    """Store a new key."""
    return Command("put_key", {"id": key.id, "key": key.model_dump_json()}, str)


def read_key(key_id: str) -> Command[ApiKey | None]:
    """Read a key, valid or not; None if there is none."""
    return Command("read_key", {"id": key_id}, lambda text: _key(text) if text else None)


def list_keys() -> Command[list[ApiKey]]:
    """List all keys ever created, oldest first."""
    return Command(
        "list_keys", {}, lambda texts: sorted(map(_key, texts), key=attrgetter("created_ms", "id"))
    )


def revoke_key(key_id: str) -> Command[bool]:
    """Revoke a key; returns False if there is none. A revoked key stays as it is."""
    return Command("revoke_key", {"id": key_id}, bool)


def any_key() -> Command[bool]:
    """Return whether a key was ever created."""
    return Command("any_key", {}, bool)


def count_request(caller: str, limit: int, *, check_only: bool = False) -> Command[RateLimitResult]:
    """Count a request of the caller if fewer than `limit` were allowed within the window.

    Args:
        check_only: return the result without counting.
    """
    arguments = {"caller": caller, "limit": limit, "window_ms": WINDOW_S * 1000}
    return Command(
        "count_request",
        arguments | {"check_only": check_only},
        lambda reply: RateLimitResult(bool(reply[0]), reply[1], reply[2]),
    )


def check_quota(caller: str, limits: CallerLimits, new_bytes: int) -> Command[str]:
    """Check that the caller may submit another job; raises RejectedError if not.

    `commands.create` checks again, with the job's real size.

    Args:
        new_bytes: minimum size of the inputs, without uploads, which were counted before.
    """
    named = limits.model_dump(exclude_none=True)
    return Command(
        "check_quota", {"caller": caller, "limits": named, "input_bytes": new_bytes}, str
    )


def usage(caller: str) -> Command[CallerUsage]:
    """Read what the caller has used."""
    arguments = {"caller": caller, "window_ms": WINDOW_S * 1000, "states": list(JobState)}
    return Command("usage", arguments, _usage)


def storage(caller: str, offset: int, limit: int) -> Command[CallerStorage]:
    """Add up what the caller's oldest jobs and uploads store.

    Args:
        offset: how many jobs, and how many uploads, were added up before.
        limit: how many of both are read.
    """
    arguments = {"caller": caller, "offset": offset, "limit": limit}
    return Command("storage", arguments, _storage)


def _storage(reply: tuple[int, int, int, int]) -> CallerStorage:
    input_bytes, uploads, upload_bytes, is_last = reply
    return CallerStorage(input_bytes, uploads, upload_bytes, bool(is_last))


def _usage(reply: list[int]) -> CallerUsage:
    names = [name for name in CallerUsage._fields if name != "jobs"]
    jobs = dict(zip(JobState, reply[len(names) :], strict=True))
    return CallerUsage(**dict(zip(names, reply, strict=False)), jobs=jobs)


def _key(text: str) -> ApiKey:
    return ApiKey.model_validate_json(text)
