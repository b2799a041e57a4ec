"""OpenAPI responses of routes that lead to an object: the redirect, and the object itself."""

from __future__ import annotations

from typing import Any

from service.api.openapi.request_bodies import schema_of
from service.contract.analysis import Analysis
from service.contract.examples import HERE, KEYPOINTS, MANIFEST
from service.stores.object_store.base import content_type

JSON = "application/json"
JSON_EXAMPLES = {
    "manifest.json": MANIFEST,
    "keypoints.json": KEYPOINTS,
    "image_keypoints.json": KEYPOINTS,
}
BINARY = {"schema": {"type": "string", "format": "binary"}}


def object_responses(*names: str) -> dict[int | str, dict[str, Any]]:
    """Return the responses of a route that redirects to an object.

    Args:
        names: names that the object may have, one for each of its formats.
    """
    signed = f"/objects{HERE}/{names[0]}?filename=tcan-{names[0]}&expires=1795341600&signature=..."
    return {
        200: {
            "description": "The object, after the redirect",
            "content": {
                **{content_type(name): _content(name) for name in names},
                "application/octet-stream": BINARY,
            },
        },
        307: {
            "description": "Redirect to the object",
            "headers": {
                "Location": {
                    "description": "A signed, short-lived URL; a presigned S3 URL on the S3 store.",
                    "schema": {"type": "string", "format": "uri-reference"},
                    "example": signed,
                }
            },
        },
    }


def _content(name: str) -> dict[str, Any]:
    if content_type(name) != JSON:
        return BINARY
    if name == "analysis.json":
        return {"schema": schema_of(Analysis)}
    schema = {"type": "object", "additionalProperties": True}
    return {"schema": schema, "example": JSON_EXAMPLES[name]}
