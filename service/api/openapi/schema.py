"""The OpenAPI document: FastAPI's, with the service's error responses and security schemes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.routing import BaseRoute

from service.api.dependencies import get_caller
from service.api.openapi.security import SCHEMES, SECURITY
from service.api.openapi.tags import TAGS
from service.api.openapi.webhooks import webhooks
from service.api.problems import MEDIA_TYPE, Problem, problem_responses
from service.contract.analysis import Analysis
from service.contract.delivery_views import WebhookMessage
from service.contract.errors import ErrorCode
from service.contract.requests import (
    AnimationRequest,
    JobChanges,
    PosePreviewRequest,
    RetryRequest,
    SignInRequest,
    UploadRequest,
)

TEMPLATE = "#/components/schemas/{model}"
LICENSE = {"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}
# FastAPI's schemas of validation errors, which this service returns as problems.
REPLACED = ("HTTPValidationError", "ValidationError")
# Models that FastAPI does not find, since the routes read and write these bodies themselves.
MODELS: tuple[type[BaseModel], ...] = (
    Analysis,
    AnimationRequest,
    JobChanges,
    PosePreviewRequest,
    RetryRequest,
    SignInRequest,
    UploadRequest,
    Problem,
    WebhookMessage,
)
AUTH_ERRORS = (ErrorCode.UNAUTHORIZED, ErrorCode.FORBIDDEN, ErrorCode.RATE_LIMITED)


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
        tags=TAGS,
        servers=app.servers,
        license_info=LICENSE,
    )
    document["webhooks"] = webhooks()
    document["components"] |= {"securitySchemes": SCHEMES}
    schemas = document["components"]["schemas"]
    for name in REPLACED:
        schemas.pop(name, None)
    for model in MODELS:
        for name, schema in _schemas(model).items():
            schemas[name] = _without_defaults(schema)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _add_validation_error(operation["responses"])
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _without_null(parameter["schema"])
            if (path, method) in authenticated:
                _add_security(operation)
            else:
                operation.setdefault("security", [])
    return document


def _schemas(model: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """Return the schemas of a model and of those in it, by component name."""
    schema = model.model_json_schema(ref_template=TEMPLATE)
    return {**schema.pop("$defs", {}), model.__name__: schema}


def _without_defaults(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with the defaults of its fields in words.

    Generators make a field with a `default` mandatory, or send the default of their release.
    """
    for field in schema.get("properties", {}).values():
        default = field.pop("default", None)
        if default is not None and not isinstance(default, dict):
            words = (field.get("description"), f"Default: `{json.dumps(default)}`.")
            field["description"] = " ".join(filter(None, words))
    return schema


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
    """Document the API keys and their errors."""
    operation["security"] = SECURITY
    for status, ours in problem_responses(*AUTH_ERRORS).items():
        theirs = operation["responses"].setdefault(str(status), ours)
        problems = theirs["content"][MEDIA_TYPE]
        problems["examples"] = {
            **ours["content"][MEDIA_TYPE]["examples"],
            **problems["examples"],
        }


def _add_validation_error(responses: dict[str, Any]) -> None:
    """Document the problem of an invalid parameter, which replaces FastAPI's response 422."""
    [ours] = problem_responses(ErrorCode.INVALID_REQUEST).values()
    theirs = responses.get("422", {}).get("content", {}).get(MEDIA_TYPE)
    if theirs is not None:
        ours["content"][MEDIA_TYPE]["examples"] |= theirs["examples"]
    responses["422"] = ours


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a parameter's schema without null: a parameter is present or absent."""
    options = [option for option in schema.pop("anyOf", ()) if option != {"type": "null"}]
    return {**options[0], **schema} if len(options) == 1 else schema
