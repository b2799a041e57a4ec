"""JSON bodies of requests that make jobs."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.contract.numbers import WHOLE
from service.contract.options import JobOptions
from service.contract.params import JobParams

Url = Annotated[
    str,
    Field(
        max_length=2048,
        pattern=r"^https?://[^\s]+$",
        json_schema_extra={"format": "uri"},
        description="An http or https address that the service fetches.",
    ),
]
UploadId = Annotated[
    str, Field(pattern=r"^[0-9a-f]{32}$", description="From `POST /uploads`, once it is filled.")
]


class Body(BaseModel):
    """Strict; unknown names are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PosesRequest(Body):
    """A driving video from elsewhere, whose poses are to be seen; one of the two is given."""

    driving_url: Url | None = None
    driving_upload: UploadId | None = None
    options: JobOptions = JobOptions()

    @model_validator(mode="after")
    def _one_driving(self) -> Self:
        _exactly_one("driving", self.driving_url, self.driving_upload)
        return self


class AnimateRequest(PosesRequest):
    """Inputs from elsewhere; one of `..._url` and `..._upload` is given for each."""

    image_url: Url | None = None
    image_upload: UploadId | None = None
    params: JobParams = JobParams()

    @model_validator(mode="after")
    def _one_image(self) -> Self:
        _exactly_one("image", self.image_url, self.image_upload)
        return self


class UploadRequest(Body):
    """What is going to be uploaded."""

    max_bytes: Annotated[int, Field(ge=1, strict=True), WHOLE] | None = Field(
        None,
        description="The file has no more bytes; when absent the service's own limit, or what the "
        "caller may send in a day where that is less.",
    )


def _exactly_one(name: str, url: str | None, upload: str | None) -> None:
    if (url is None) == (upload is None):
        raise ValueError(f"give either {name}_url or {name}_upload")
