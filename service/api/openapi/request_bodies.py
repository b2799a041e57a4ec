"""OpenAPI request bodies of `POST /animate` and `POST /poses`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, TypeAdapter

from service.contract.job import JobKind
from service.contract.options import JobOptions
from service.contract.requests import (
    AnimationRequest,
    InputReferences,
    PosePreviewRequest,
    UploadId,
    Url,
)
from service.submission.receive import PARAMS

IMAGE = "The character: PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF."
DRIVING = "The motion: a video, or a JSON file of OpenPose poses."
IMAGE_POSE = "Pose file of the image, with one person; the pose is detected when absent."
EXAMPLE_URLS = {
    "image_url": "https://example.com/character.png",
    "driving_url": "https://example.com/walk.mp4",
}


def request_body(kind: JobKind) -> dict[str, Any]:
    """Return the body: a form with the inputs as files, URLs or upload ids, or JSON without files.

    No field of the form is required by itself: each input has three alternatives.
    """
    form: dict[str, Any] = {
        "image": _file(IMAGE),
        "driving": _file(DRIVING),
        "image_pose": _file(IMAGE_POSE),
        "params": schema_of(PARAMS[kind]),
        "options": schema_of(JobOptions),
    }
    json_model: type[PosePreviewRequest | AnimationRequest] = PosePreviewRequest
    example: dict[str, Any] = {"driving_url": EXAMPLE_URLS["driving_url"]}
    form_example: dict[str, Any] = {"driving": "content of walk.mp4"}
    if kind is JobKind.ANIMATE:
        json_model, example = AnimationRequest, {**EXAMPLE_URLS, "params": {"seed": 7}}
        form_example |= {"image": "content of character.png", "params": {"seed": 7}}
    for name in InputReferences.model_fields:
        form[name] = TypeAdapter(Url if name.endswith("_url") else UploadId).json_schema()
    return {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "additionalProperties": False, "properties": form},
                "encoding": {
                    name: {"contentType": "application/json"} for name in ("params", "options")
                },
                "example": form_example,
            },
            "application/json": {"schema": schema_of(json_model), "example": example},
        },
    }


def schema_of(model: type[BaseModel]) -> dict[str, str]:
    """Return a reference to a model in the document's components."""
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _file(description: str) -> dict[str, Any]:
    return {"type": "string", "format": "binary", "description": description}
