"""JSON bodies of requests."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator

from service.contract.numbers import WHOLE
from service.contract.options import (
    MAX_METADATA,
    METADATA_NAME,
    JobOptions,
    MetadataValue,
    check_metadata_names,
)
from service.contract.params import JobParams, PosesParams

# What is wrong inside a data: URL is found, and explained, where it is decoded.
INPUT_URL = r"^(https?://[^\s]+|data:[\s\S]+)$"
MAX_WEB_URL = 2048
UPLOAD_ID = r"^[0-9a-f]{32}$"


def _check_length(url: str) -> str:
    if not url.startswith("data:") and len(url) > MAX_WEB_URL:
        raise ValueError(f"must have at most {MAX_WEB_URL} characters")
    return url


Url = Annotated[
    str,
    Field(
        pattern=INPUT_URL,
        json_schema_extra={"format": "uri"},
        description="An http or https URL that the service downloads, or a data: URL with the "
        "content; all data: URLs of a request together may be as large as an image.",
    ),
    AfterValidator(_check_length),
]
UploadId = Annotated[str, Field(pattern=UPLOAD_ID, description="Id of a finished upload.")]


class Body(BaseModel):
    """Base of the bodies; unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class InputReferences(Body):
    """References to the inputs of a job: URLs and upload ids."""

    driving_url: Url | None = None
    driving_upload: UploadId | None = None
    image_url: Url | None = None
    image_upload: UploadId | None = None
    image_pose_url: Url | None = None
    image_pose_upload: UploadId | None = None


class PosePreviewRequest(InputReferences):
    """A pose preview. Give a driving file, an image or both; `..._url` or `..._upload` for each.

    `image_pose` is optional: a pose file of the image. Without it the pose is detected.
    """

    params: PosesParams = PosesParams()
    options: JobOptions = JobOptions()


class AnimationRequest(InputReferences):
    """An animation. Give either `..._url` or `..._upload` for each input.

    `image_pose` is optional: a pose file with one person, on a canvas of the image's size. Without
    it the pose is detected in the image.
    """

    params: JobParams = JobParams()
    options: JobOptions = JobOptions()


class RetryRequest(Body):
    """Changes to a job that is submitted again. Fields left out are those of the earlier job.

    The seed is the same too, unless it is given.
    """

    params: JobParams = JobParams()
    options: JobOptions = JobOptions()


class PosesRetryRequest(Body):
    """Changes to a pose preview that is submitted again."""

    params: PosesParams = PosesParams()
    options: JobOptions = JobOptions()


class JobChanges(Body):
    """Changes to a job; what is left out stays."""

    metadata: dict[str, MetadataValue | None] = Field(
        default_factory=dict,
        max_length=2 * MAX_METADATA,
        description="Texts by name; null removes one, and names that are not here stay.",
        examples=[{"name": "Harbor, second try", "shot": None}],
        json_schema_extra={"propertyNames": {"pattern": METADATA_NAME}},
    )

    @field_validator("metadata")
    @classmethod
    def _has_simple_names(cls, metadata: dict[str, str | None]) -> dict[str, str | None]:
        check_metadata_names(metadata)
        return metadata


class SignInRequest(Body):
    """An API key, to be exchanged for a session."""

    key: SecretStr = Field(description="An API key from `tcan keys create`.")


class UploadRequest(Body):
    """A planned upload."""

    max_bytes: Annotated[int, Field(ge=1, strict=True), WHOLE] | None = Field(
        None,
        description="Maximum size of the file; by default the service's limit or the caller's "
        "daily quota, whichever is less.",
    )
    part_bytes: Annotated[int, Field(ge=1, strict=True), WHOLE] | None = Field(
        None,
        description="Size of the parts in which the file is sent; at most 1,000 parts. A file in "
        "parts has `max_bytes`: after a broken connection only the part at work is sent again.",
    )
