"""OpenAPI request bodies of `POST /animate` and `POST /poses`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from service.contract.job import JobKind
from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.requests import AnimateRequest, PosesRequest

IMAGE = "The character: PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF."
DRIVING = "The motion: a video, or a JSON file of OpenPose poses."
EXAMPLE_URLS = {
    "image_url": "https://example.com/character.png",
    "driving_url": "https://example.com/walk.mp4",
}


def request_body(kind: JobKind) -> dict[str, Any]:
    """Return the body: multipart with the files, or JSON with their URLs or upload ids."""
    form = {"driving": _file(DRIVING), "options": schema_of(JobOptions)}
    json_model: type[PosesRequest] = PosesRequest
    example: dict[str, Any] = {"driving_url": EXAMPLE_URLS["driving_url"]}
    if kind is JobKind.ANIMATE:
        form |= {"image": _file(IMAGE), "params": schema_of(JobParams)}
        json_model, example = AnimateRequest, {**EXAMPLE_URLS, "params": {"seed": 7}}
    json_parts = [name for name in ("params", "options") if name in form]
    return {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [name for name in ("image", "driving") if name in form],
                    "additionalProperties": False,
                    "properties": form,
                },
                "encoding": {name: {"contentType": "application/json"} for name in json_parts},
            },
            "application/json": {"schema": schema_of(json_model), "example": example},
        },
    }


def schema_of(model: type[BaseModel]) -> dict[str, str]:
    """Return a reference to a model in the document's components."""
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _file(description: str) -> dict[str, Any]:
    return {"type": "string", "format": "binary", "description": description}
