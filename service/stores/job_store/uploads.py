"""Commands on uploads.

Keys in Redis: `uploads`, hash of descriptions by id; `uploads:ends`, ids by the time at which they
expire; `uploads:of:{caller}`, ids of a caller by creation time; `uploads:counted`, day and bytes of
upload forms that no job has used yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from service.contract.callers import CallerLimits
from service.stores.job_store.commands import Command, Cursor

NO_LIMITS = CallerLimits()
# Upload forms of a caller per UTC day, each of which may leave an object for a day. A file in parts
# has one for each part, and one for the whole.
FORMS_PER_DAY = 100_000


class Upload(BaseModel):
    """A file that a caller may send, or has sent, to the object store.

    Attributes:
        part_bytes: maximum size of each part, if the file may be sent in parts.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    caller: str
    max_bytes: int
    part_bytes: int | None = None

    @property
    def key(self) -> str:
        """Key of the file in the object store."""
        return f"uploads/{self.id}/file"

    @property
    def folder_of_parts(self) -> str:
        """Prefix of the keys of the file's parts in the object store."""
        return f"uploads/{self.id}/parts"

    @property
    def join_bytes(self) -> int:
        """Disk space for joining the parts: that of the file and of a part; 0 without parts."""
        if self.part_bytes is None:
            return 0
        return self.max_bytes + min(self.part_bytes, self.max_bytes)

    def parts(self) -> list[tuple[str, int]]:
        """Return the key and the maximum size of each part, in their order; none without parts."""
        size = self.part_bytes or self.max_bytes
        starts = range(0, self.max_bytes if self.part_bytes else 0, size)
        return [
            (f"{self.folder_of_parts}/{number}", min(size, self.max_bytes - start))
            for number, start in enumerate(starts, 1)
        ]


def register_upload(upload: Upload, ttl_ms: int, limits: CallerLimits = NO_LIMITS) -> Command[str]:
    """Register an upload; raises RejectedError if the caller's limits of today do not allow it.

    The form's maximum counts at once, until a job uses the upload; its forms count towards
    `FORMS_PER_DAY`, even if it is deleted.
    """
    forms_limit = {"upload_forms_per_day": FORMS_PER_DAY}
    named = limits.model_dump(exclude_none=True)
    counts_bytes = limits.input_bytes_per_day is not None
    arguments = {
        "id": upload.id,
        "caller": upload.caller,
        "upload": upload.model_dump_json(),
        "ttl_ms": ttl_ms,
        "max_bytes": upload.max_bytes,
        "forms": 1 + len(upload.parts()),
        "counts_bytes": counts_bytes,
        "limits": forms_limit | (named if counts_bytes else {}),
    }
    return Command("register_upload", arguments, str)


def read_uploads(upload_ids: Sequence[str]) -> Command[list[Upload | None]]:
    """Read uploads, in the given order; None for one that has expired or does not exist."""
    return Command(
        "read_uploads",
        {"ids": list(upload_ids)},
        lambda reply: [Upload.model_validate_json(text) if text else None for text in reply],
    )


class ListedUpload(NamedTuple):
    """An upload with the times of its creation and of its end, in ms since 1970."""

    upload: Upload
    created_ms: int
    expires_ms: int


def list_uploads(
    caller: str, limit: int, after: Cursor | None = None
) -> Command[list[ListedUpload]]:
    """List up to `limit` uploads of a caller, newest first.

    Args:
        after: last upload of the page before.
    """
    arguments = {
        "caller": caller,
        "limit": limit,
        "after_ms": None if after is None else after.created_ms,
        "after_id": None if after is None else after.id,
    }
    return Command("list_uploads", arguments, lambda reply: [_listed(*row) for row in reply])


def expired_uploads(limit: int = 100) -> Command[list[str]]:
    """List expired uploads."""
    return Command("expired_uploads", {"limit": limit}, list)


def missing_uploads(upload_ids: Sequence[str]) -> Command[list[str]]:
    """Return those of the ids that belong to no upload, not even to one that has expired."""
    return Command("missing_uploads", {"ids": list(upload_ids)}, list)


def forget_upload(upload_id: str, *, keep_end: bool = False) -> Command[str]:
    """Delete the description of an upload whose file is deleted.

    Args:
        keep_end: list it as expired at its time all the same: its form may still be valid.
    """
    return Command("forget_upload", {"id": upload_id, "keep_end": keep_end}, str)


def _listed(text: str, created: str, ends: str) -> ListedUpload:
    return ListedUpload(Upload.model_validate_json(text), int(created), int(ends))
