"""The OpenAPI document: FastAPI's, with the service's error responses and security schemes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from service.api.dependencies import get_caller
from service.api.problems import Problem, problem_responses
from service.contract.errors import ErrorCode
from service.contract.requests import AnimateRequest, PosesRequest, UploadRequest

TEMPLATE = "#/components/schemas/{model}"
# FastAPI's schemas of validation errors, which this service returns as problems.
REPLACED = ("HTTPValidationError", "ValidationError")
AUTH_ERRORS = (ErrorCode.UNAUTHORIZED, ErrorCode.FORBIDDEN, ErrorCode.RATE_LIMITED)
SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key from `tcan keys create`.",
    },
    "header": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "The same API key in a header.",
    },
}


def openapi(app: FastAPI, routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """Return the document, built once; `routes` are those of the app's routers."""
    if app.openapi_schema is None:
        app.openapi_schema = _document(app, _authenticated_operations(routes))
    return app.openapi_schema


def _document(app: FastAPI, authenticated: set[tuple[str, str]]) -> dict[str, Any]:
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
    for model in (Problem, AnimateRequest, PosesRequest, UploadRequest):
        schema = model.model_json_schema(ref_template=TEMPLATE)
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    document["components"]["securitySchemes"] = SCHEMES
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _replace_validation_error(operation["responses"])
            if (path, method) in authenticated:
                _add_security(operation)
    return document


def _authenticated_operations(routes: Sequence[BaseRoute]) -> set[tuple[str, str]]:
    """Return path and method of the operations that authenticate the caller."""
    return {
        (route.path_format, method.lower())
        for route in routes
        if isinstance(route, APIRoute)
        and any(each.call is get_caller for each in route.dependant.dependencies)
        for method in route.methods or ()
    }


def _add_security(operation: dict[str, Any]) -> None:
    """Document the API keys; none is an alternative, since local access may need no key."""
    operation["security"] = [{name: []} for name in SCHEMES] + [{}]
    for status, ours in problem_responses(*AUTH_ERRORS).items():
        theirs = operation["responses"].setdefault(str(status), ours)
        problems = theirs["content"]["application/problem+json"]
        problems["examples"] = {
            **ours["content"]["application/problem+json"]["examples"],
            **problems["examples"],
        }


def _replace_validation_error(responses: dict[str, Any]) -> None:
    """Replace FastAPI's response 422 by a problem."""
    answer = responses.get("422", {}).get("content", {})
    if "application/json" not in answer:
        return
    [ours] = problem_responses(ErrorCode.INVALID_REQUEST).values()
    theirs = responses["422"]["content"].get("application/problem+json")
    if theirs is not None:
        ours["content"]["application/problem+json"]["examples"] |= theirs["examples"]
    responses["422"] = ours
