"""View of an upload form."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class UploadView(BaseModel):
    """An upload form: POST `fields` and then the file as `file`, in multipart/form-data."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "5f1c0c3a9c4b4b6f8e5d0f6a7b8c9d0e",
                "url": "https://bucket.s3.amazonaws.com/",
                "fields": {"key": "uploads/5f1c0c3a9c4b4b6f8e5d0f6a7b8c9d0e/file", "policy": "..."},
                "max_bytes": 1073741824,
                "expires_at": "2026-11-22T11:00:00Z",
            }
        }
    )

    id: str = Field(description="Value for `image_upload` or `driving_upload`.")
    url: str = Field(description="Relative to the service's URL on the folder store.")
    fields: dict[str, str]
    max_bytes: int
    expires_at: datetime = Field(description="When the form expires.")
