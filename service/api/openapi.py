"""openapi.json: FastAPI's own, with errors as the service answers them."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.api.problems import Problem, problem_responses
from service.contract.errors import ErrorCode
from service.contract.requests import AnimateRequest, PosesRequest

TEMPLATE = "#/components/schemas/{model}"
# FastAPI's description of an error that this service answers as a problem.
REPLACED = ("HTTPValidationError", "ValidationError")


def openapi(app: FastAPI) -> dict[str, Any]:
    """The document, made once."""
    if app.openapi_schema is None:
        app.openapi_schema = _document(app)
    return app.openapi_schema


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description="Every error is a problem (RFC 9457) with a stable `code`.",
        routes=app.routes,
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in REPLACED:
        schemas.pop(name, None)
    for model in (Problem, AnimateRequest, PosesRequest):
        schema = model.model_json_schema(ref_template=TEMPLATE)
        schemas.update(schema.pop("$defs"))
        schemas[model.__name__] = schema
    for operations in document["paths"].values():
        for operation in operations.values():
            _answer_as_problems(operation["responses"])
    return document


def _answer_as_problems(responses: dict[str, Any]) -> None:
    """Replace FastAPI's 422 by ours."""
    answer = responses.get("422", {}).get("content", {})
    if "application/json" not in answer:
        return
    [ours] = problem_responses(ErrorCode.INVALID_REQUEST).values()
    theirs = responses["422"]["content"].get("application/problem+json")
    if theirs is not None:
        ours["content"]["application/problem+json"]["examples"] |= theirs["examples"]
    responses["422"] = ours
