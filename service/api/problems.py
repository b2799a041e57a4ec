"""Every error as `application/problem+json` (RFC 9457) with a stable `code`."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from service.contract.errors import ErrorCode
from service.contract.examples import problem_example
from service.errors import RejectedError, ServiceError, did_you_mean
from service.submission.field_problems import field_problems, summary

MEDIA_TYPE = "application/problem+json"
NOT_FRAMED = "frame-ancestors 'none'"
# Headers of every answer that has none of its own: browsers must neither guess its type nor show it
# in a frame, nor load it into other sites' pages but by CORS, nor tell other sites its address.
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": NOT_FRAMED,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
}
# Of answers that pages of any site may show, because the request proves its right without a cookie.
ANY_PAGE = {"Cross-Origin-Resource-Policy": "cross-origin"}
# Of pages: no window of another site keeps a handle on them.
OWN_WINDOW = {"Cross-Origin-Opener-Policy": "same-origin"}
RETRY_AFTER_S = 2
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")

PROBLEM_REF = {"$ref": "#/components/schemas/Problem"}

logger = logging.getLogger(__name__)


class FieldProblem(BaseModel):
    """An invalid field."""

    field: str
    detail: str


class Problem(BaseModel):
    """An error response."""

    model_config = ConfigDict(
        json_schema_extra={"example": problem_example(ErrorCode.JOB_NOT_FOUND)}
    )

    type: str = Field(description="`urn:tcan:problem:` followed by the code.")
    title: str
    status: int
    code: ErrorCode = Field(description="Stable code for programs.")
    detail: str
    instance: str = Field(description="Path of the request.")
    errors: list[FieldProblem] | None = None
    reason: str | None = Field(None, description="The policy's own code, for `policy_refused`.")


def problem_responses(*codes: ErrorCode) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of a route's errors, each with an example."""
    entries: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        entry = entries.setdefault(code.http_status, {"description": "", "content": {}})
        entry["description"] = "; ".join(filter(None, (entry["description"], code.problem_title)))
        content = entry["content"].setdefault(MEDIA_TYPE, {"schema": PROBLEM_REF, "examples": {}})
        example = {"summary": code.problem_title, "value": problem_example(code)}
        content["examples"][code.value] = example
        if code.http_status in (429, 503):
            entry["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return entries


def add_handlers(app: FastAPI) -> None:
    """Convert every error of the app to a problem response."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _client_disconnected)
    app.add_exception_handler(Exception, _unexpected)


def problem(request: Request, error: RejectedError) -> JSONResponse:
    """Return the response for an error."""
    content = problem_content(error, request.url.path)
    # Here too, since no middleware sees the answer to an unexpected error.
    headers = {**SECURITY_HEADERS, **(error.headers or {})}
    return JSONResponse(content, error.code.http_status, headers, MEDIA_TYPE)


def problem_content(error: RejectedError, path: str) -> dict[str, Any]:
    """Return the JSON content of the response for an error.

    Args:
        path: path of the request.
    """
    code, errors = error.code, error.errors
    body = Problem(
        type=f"urn:tcan:problem:{code}",
        title=code.problem_title,
        status=code.http_status,
        code=code,
        detail=error.detail,
        instance=path,
        errors=None if errors is None else [FieldProblem.model_validate(e) for e in errors],
        reason=error.reason,
    )
    return body.model_dump(mode="json", exclude_none=True)


def _service_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    if isinstance(error, RejectedError):
        return problem(request, error)
    logger.error("%s %s: %s", request.method, request.url.path, error)
    if error.code is ErrorCode.UNAVAILABLE:
        detail = "Redis or the object store does not answer; retry in a few seconds"
        headers = {"Retry-After": str(RETRY_AFTER_S)}
        return problem(request, RejectedError(error.code, detail, headers=headers))
    return _unexpected(request, error)


def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = field_problems(error.errors(), "body")
    rejected = RejectedError(ErrorCode.INVALID_REQUEST, summary(errors), errors=errors)
    return problem(request, rejected)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code, detail = ErrorCode.MALFORMED_BODY, f"{request.method} {request.url.path}"
    headers = dict(error.headers or {})
    if error.status_code == 404 and (target := _without_slash(request)) is not None:
        return RedirectResponse(target, 307)
    if error.status_code == 404:
        code = ErrorCode.NOT_FOUND
        detail = f"{detail}: there is no such route{_near(request)}; /docs lists all routes"
    elif error.status_code == 405:
        code = ErrorCode.METHOD_NOT_ALLOWED
        headers["Allow"] = _allowed(request)
        detail = f"{detail}: this route allows {headers['Allow']} only"
    return problem(request, RejectedError(code, detail, headers=headers))


def _without_slash(request: Request) -> str | None:
    """Return a relative URL of the same path without its slash at the end, if that is a route.

    Starlette would redirect to the host of the Host header, which the client chooses.
    """
    path = request.scope["path"].removesuffix("/")
    scope = {**request.scope, "path": path}
    if path == request.scope["path"] or not any(
        route.matches(scope)[0] is Match.FULL for route in request.app.router.routes
    ):
        return None
    name = quote(path.rpartition("/")[2])
    return f"../{name}?{request.url.query}" if request.url.query else f"../{name}"


def _near(request: Request) -> str:
    """Return a question about the route whose path is nearest, or an empty string."""
    return did_you_mean(request.url.path, request.app.openapi()["paths"])


def _allowed(request: Request) -> str:
    """Return the methods of all routes at this path; Starlette returns those of the first."""
    methods = set()
    for method in METHODS:
        scope = {**request.scope, "method": method}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes):
            methods.add(method)
    if "GET" in methods:
        methods.add("HEAD")  # see `service.api.middleware.head`
    return ", ".join(sorted(methods))


def _client_disconnected(request: Request, error: Exception) -> Response:
    logger.info("client disconnected during %s %s", request.method, request.url.path)
    return Response(status_code=400)


def _unexpected(request: Request, error: Exception) -> Response:
    detail = "unexpected error; see the gateway's log for the request's X-Request-Id"
    return problem(request, RejectedError(ErrorCode.INTERNAL, detail))
