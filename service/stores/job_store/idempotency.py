"""Commands on idempotency keys.

Redis key: `idempotency:{caller}:{key}`, a hash.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.stores.job_store.commands import Command

# Most requests are accepted in less time.
RETRY_S = 1


class KeyState(StrEnum):
    """State of an idempotency key for the request that claims it."""

    NEW = "new"
    """The request owns it now."""
    PENDING = "pending"
    """An equal request owns it and is being accepted."""
    OTHER = "other"
    """It was used with a different request."""
    JOB = "job"
    """An equal request created a job."""


class KeyClaim(NamedTuple):
    """Result of a claim, with the job's id for `JOB`."""

    state: KeyState
    job_id: str


def claim_key(
    caller: str, key: str, fingerprint: str, owner: str, lease_ms: int
) -> Command[KeyClaim]:
    """Claim an idempotency key for a request, or extend the claim; `commands.create` ends it.

    Repeating a claim whose reply was lost is safe.

    Args:
        fingerprint: equal for equal requests only.
        owner: unique for each request.
        lease_ms: the claim ends after this time unless it is extended or a job is created.
    """
    arguments = {
        "caller": caller,
        "key": key,
        "fingerprint": fingerprint,
        "owner": owner,
        "lease_ms": lease_ms,
    }
    return Command(
        "claim_idempotency_key", arguments, lambda reply: KeyClaim(KeyState(reply[0]), reply[1])
    )


def release_key(caller: str, key: str, owner: str) -> Command[str]:
    """Release the key of a request that was not accepted."""
    arguments = {"caller": caller, "key": key, "owner": owner}
    return Command("release_idempotency_key", arguments, str)


def lost_claim_error(raised: str) -> RejectedError | None:
    """Return the error for what `create` raised; None if that was something else."""
    if "CLAIM " not in raised:
        return None
    return in_use_error("the key was lost while the job was created")


def in_use_error(detail: str) -> RejectedError:
    """Return the error for a request whose key another request owns."""
    headers = {"Retry-After": str(RETRY_S)}
    return RejectedError(ErrorCode.IDEMPOTENCY_KEY_IN_USE, detail, headers=headers)
