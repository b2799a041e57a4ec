"""Commands on uploads.

Keys in Redis: `uploads`, hash of descriptions by id; `uploads:ends`, ids by the time at which they
expire; `uploads:counted`, day and bytes of upload forms that no job has used yet.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from service.contract.callers import CallerLimits
from service.stores.job_store.commands import Command

NO_LIMITS = CallerLimits()


class Upload(BaseModel):
    """A file that a caller may send, or has sent, to the object store."""

    model_config = ConfigDict(frozen=True)

    id: str
    caller: str
    max_bytes: int

    @property
    def key(self) -> str:
        """Key of the file in the object store."""
        return f"uploads/{self.id}/file"


def register_upload(upload: Upload, ttl_ms: int, limits: CallerLimits = NO_LIMITS) -> Command[str]:
    """Register an upload; raises RejectedError if its bytes exceed the caller's limit of today.

    The form's maximum counts at once, until a job uses the upload.
    """
    named = limits.model_dump(exclude_none=True)
    arguments = {
        "id": upload.id,
        "caller": upload.caller,
        "upload": upload.model_dump_json(),
        "ttl_ms": ttl_ms,
        "max_bytes": upload.max_bytes,
        "limits": None if limits.input_bytes_per_day is None else named,
    }
    return Command("register_upload", arguments, str)


def read_uploads(upload_ids: Sequence[str]) -> Command[list[Upload | None]]:
    """Read uploads, in the given order; None for one that has expired or does not exist."""
    return Command(
        "read_uploads",
        {"ids": list(upload_ids)},
        lambda reply: [Upload.model_validate_json(text) if text else None for text in reply],
    )


def expired_uploads(limit: int = 100) -> Command[list[str]]:
    """List expired uploads."""
    return Command("expired_uploads", {"limit": limit}, list)


def forget_upload(upload_id: str) -> Command[str]:
    """Delete the description of an upload whose file is deleted."""
    return Command("forget_upload", {"id": upload_id}, str)
