"""Operations on what lies around jobs: idempotency keys, uploads, and objects that may go.

Keys: `idempotency:{caller}:{key}` hash; `uploads` descriptions; `uploads:ends` ids by the end of
their time; `uploads:counted` day and bytes of forms of which no job was made yet;
`checkpoints:spent` ended jobs whose checkpoints are still stored; `identity` tells this job store
from others.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from service.contract.callers import CallerLimits
from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.stores.job_store.commands import Call

NO_LIMITS = CallerLimits()
# Most requests are accepted in less than that.
RETRY_S = 1


class Claim(StrEnum):
    """What an idempotency key stands for."""

    NEW = "new"
    """It is the claimer's now."""
    PENDING = "pending"
    """The same request is being accepted."""
    OTHER = "other"
    """Another request came with it."""
    JOB = "job"
    """The same request made a job."""


class Claimed(NamedTuple):
    """The reply to a claim, with the job's id for `JOB`."""

    claim: Claim
    job_id: str


class Upload(BaseModel):
    """A file that a caller may send, or has sent, to the object store."""

    model_config = ConfigDict(frozen=True)

    id: str
    caller: str
    max_bytes: int

    @property
    def key(self) -> str:
        """Its key in the object store."""
        return f"uploads/{self.id}/file"


def claim(caller: str, key: str, fingerprint: str, owner: str, lease_ms: int) -> Call[Claimed]:
    """Take an idempotency key for a request, or hold it longer; `calls.create` binds it to the job.

    As a lease it ends by itself. Claiming again is harmless: a claim whose reply was lost may be
    sent once more.

    Args:
        fingerprint: equal for equal requests alone.
        owner: new for each request.
        lease_ms: after this time without a job or another claim of its owner the key is free.
    """
    return Call(
        "claim",
        (caller, key, fingerprint, owner, lease_ms),
        lambda reply: Claimed(Claim(reply[0]), reply[1]),
    )


def claim_error(raised: str) -> RejectedError | None:
    """The refusal in the error of `create`; None when it says something else."""
    return in_use("the key was lost while the job was made") if "CLAIM " in raised else None


def in_use(detail: str) -> RejectedError:
    """The refusal of a request whose key another one holds."""
    headers = {"Retry-After": str(RETRY_S)}
    return RejectedError(ErrorCode.IDEMPOTENCY_KEY_IN_USE, detail, headers=headers)


def unclaim(caller: str, key: str, owner: str) -> Call[str]:
    """Give a key back whose request was not accepted."""
    return Call("unclaim", (caller, key, owner), str)


def note_upload(upload: Upload, ttl_ms: int, limits: CallerLimits = NO_LIMITS) -> Call[str]:
    """Remember that a caller may upload a file; raises RejectedError when it is too much for today.

    What the form takes counts as the caller's at once, and until a job is made of the upload.
    """
    bounds = "" if limits.input_bytes_per_day is None else limits.model_dump_json(exclude_none=True)
    known = (upload.id, upload.model_dump_json(), ttl_ms)
    return Call("upload", (*known, upload.caller, bounds, upload.max_bytes), str)


def read_uploads(upload_ids: Sequence[str]) -> Call[list[Upload | None]]:
    """The uploads, in the same order; None where there is none or its time is over."""
    return Call(
        "read_uploads",
        tuple(upload_ids),
        lambda reply: [Upload.model_validate_json(text) if text else None for text in reply],
    )


def ended_uploads(limit: int = 100) -> Call[list[str]]:
    """Uploads whose time is over."""
    return Call("ended_uploads", (limit,), list)


def forget_upload(upload_id: str) -> Call[str]:
    """Forget an upload whose file is gone."""
    return Call("forget_upload", (upload_id,), str)


def put_off(ends: str, name: str, ms: int) -> Call[int]:
    """Let what could not be erased come up again after so long, behind the others.

    Args:
        ends: the set in which it stands by the end of its time, `expiries`, `uploads:ends` or
            `checkpoints:spent`.
    """
    return Call("put_off", (ends, name, ms), int)


def spent_checkpoints(limit: int = 100) -> Call[list[str]]:
    """Ended jobs whose checkpoints are still stored, and of no more use."""
    return Call("spent_checkpoints", (limit,), list)


def forget_checkpoints(job_id: str) -> Call[str]:
    """Forget that an ended job had checkpoints; they are gone."""
    return Call("forget_checkpoints", (job_id,), str)


def unknown(job_ids: Sequence[str]) -> Call[list[str]]:
    """Those of the ids that no job has."""
    return Call("unknown", tuple(job_ids), list)


def identify(candidate: str) -> Call[str]:
    """What tells this job store from others; the candidate where it had no such name yet."""
    return Call("identify", (candidate,), str)
