"""Views of what a caller has: uploads, and use of its limits and of storage."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from service.contract.callers import Scope
from service.contract.options import Priority
from service.contract.states import JobState

UPLOAD: dict[str, Any] = {
    "id": "5f1c0c3a9c4b4b6f8e5d0f6a7b8c9d0e",
    "max_bytes": 1073741824,
    "size_bytes": 5000000,
    "created_at": "2026-11-22T10:00:00Z",
    "expires_at": "2026-11-23T10:00:00Z",
}


class SessionView(BaseModel):
    """The caller of a page, if it is signed in or needs no key."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"caller": "studio", "scopes": ["read", "submit"], "key_needed": True}
        }
    )

    caller: str | None = Field(None, description="Absent while a key is needed and none was given.")
    scopes: list[Scope]
    key_needed: bool = Field(description="Whether the service refuses requests without a key.")


class StoredUploadView(BaseModel):
    """An upload."""

    model_config = ConfigDict(json_schema_extra={"example": UPLOAD})

    id: str = Field(description="Value for `image_upload` or `driving_upload`.")
    max_bytes: int = Field(description="Maximum size of the file.")
    size_bytes: int | None = Field(
        None, description="Size of the file; absent while it has not been sent."
    )
    created_at: datetime
    expires_at: datetime = Field(description="When the upload is deleted.")


class UploadList(BaseModel):
    """A page of uploads, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": {"uploads": [UPLOAD]}})

    uploads: list[StoredUploadView]
    next: str | None = Field(None, description="Path or URL of the next page.")


class Allowance(BaseModel):
    """Use of a limit."""

    limit: int | None = Field(None, description="Absent if the caller has no such limit.")
    used: int | None = Field(None, description="Absent if it is not counted without a limit.")
    remaining: int | None = Field(None, description="Absent without a limit.")
    resets_at: datetime | None = Field(
        None, description="When `used` is 0 again, for limits per day."
    )


class StorageUse(BaseModel):
    """Stored jobs, inputs and uploads of a caller."""

    jobs: int = Field(description="Jobs that are not erased yet.")
    input_bytes: int = Field(description="Bytes of their inputs.")
    uploads: int = Field(description="Uploads that have not expired.")
    upload_bytes: int = Field(description="Sum of the uploads' maximum sizes.")


class Usage(BaseModel):
    """Use of a caller's limits, jobs and storage; all keys of a caller share it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "caller": "studio",
                "scopes": ["read", "submit"],
                "highest_priority": "normal",
                "requests_per_minute": {"limit": 60, "used": 12, "remaining": 48},
                "queued_jobs": {"limit": 100, "used": 3, "remaining": 97},
                "input_bytes_per_day": {
                    "limit": 10000000000,
                    "used": 2500000000,
                    "remaining": 7500000000,
                    "resets_at": "2026-11-23T00:00:00Z",
                },
                "driving_s_per_day": {"used": 340, "resets_at": "2026-11-23T00:00:00Z"},
                "jobs": {
                    "queued": 3,
                    "preparing": 0,
                    "running": 1,
                    "succeeded": 20,
                    "failed": 2,
                    "canceled": 0,
                },
                "storage": {
                    "jobs": 26,
                    "input_bytes": 2600000000,
                    "uploads": 1,
                    "upload_bytes": 1073741824,
                },
            }
        }
    )

    caller: str
    scopes: list[Scope] = Field(description="Permissions of the key of this request.")
    highest_priority: Priority
    requests_per_minute: Allowance = Field(description="Requests within any 60 s.")
    queued_jobs: Allowance
    input_bytes_per_day: Allowance = Field(description="Bytes of inputs, per UTC day.")
    driving_s_per_day: Allowance = Field(description="Seconds of driving motion, per UTC day.")
    jobs: dict[JobState, int] = Field(description="Stored jobs by state.")
    storage: StorageUse
