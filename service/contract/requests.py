"""JSON bodies of requests."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.contract.numbers import WHOLE
from service.contract.options import JobOptions
from service.contract.params import JobParams

WEB_URL = r"^https?://[^\s]+$"
UPLOAD_ID = r"^[0-9a-f]{32}$"
Url = Annotated[
    str,
    Field(
        max_length=2048,
        pattern=WEB_URL,
        json_schema_extra={"format": "uri"},
        description="An http or https URL that the service downloads.",
    ),
]
UploadId = Annotated[str, Field(pattern=UPLOAD_ID, description="Id of a finished upload.")]


class Body(BaseModel):
    """Base of the bodies; unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PosesRequest(Body):
    """A pose preview. Give either `driving_url` or `driving_upload`."""

    driving_url: Url | None = None
    driving_upload: UploadId | None = None
    options: JobOptions = JobOptions()

    @model_validator(mode="after")
    def _one_driving(self) -> Self:
        _exactly_one("driving", self.driving_url, self.driving_upload)
        return self


class AnimateRequest(PosesRequest):
    """An animation. Give either `..._url` or `..._upload` for each input."""

    image_url: Url | None = None
    image_upload: UploadId | None = None
    params: JobParams = JobParams()

    @model_validator(mode="after")
    def _one_image(self) -> Self:
        _exactly_one("image", self.image_url, self.image_upload)
        return self


class UploadRequest(Body):
    """A planned upload."""

    max_bytes: Annotated[int, Field(ge=1, strict=True), WHOLE] | None = Field(
        None,
        description="Maximum size of the file; by default the service's limit or the caller's "
        "daily quota, whichever is less.",
    )


def _exactly_one(name: str, url: str | None, upload: str | None) -> None:
    if url is None and upload is None:
        raise ValueError(
            f"{name} is missing: give either {name}_url or {name}_upload, or send the file in a "
            f"form"
        )
    if url is not None and upload is not None:
        raise ValueError(f"{name} is given twice: give either {name}_url or {name}_upload")
