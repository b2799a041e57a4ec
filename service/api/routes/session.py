"""Sessions of the studio's pages: sign in with an API key, look, sign out."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.api.dependencies import GatewayDep
from service.api.openapi.request_bodies import schema_of
from service.api.problems import problem_responses
from service.auth.authenticator import Caller
from service.auth.rate_limit import too_many
from service.auth.sessions import (
    COOKIE,
    FAILED_SIGN_INS_PER_MINUTE,
    LIFETIME_S,
    SECURE_COOKIE,
    check_same_origin,
    is_https,
    session_ids,
)
from service.contract.caller_views import SessionView
from service.contract.errors import ErrorCode
from service.contract.requests import SignInRequest
from service.errors import RejectedError
from service.gateway import Gateway
from service.stores.job_store import keys
from service.submission.receive import read_json

router = APIRouter(prefix="/studio/session", tags=["studio"])

SIGN_IN_BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": schema_of(SignInRequest), "example": {"key": "tcan_..."}}
    },
}


@router.post(
    "",
    summary="Sign in",
    openapi_extra={"requestBody": SIGN_IN_BODY},
    responses=problem_responses(
        ErrorCode.UNAUTHORIZED,
        ErrorCode.FORBIDDEN,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.BODY_TOO_LARGE,
        ErrorCode.UNSUPPORTED_MEDIA_TYPE,
        ErrorCode.RATE_LIMITED,
        ErrorCode.UNAVAILABLE,
    ),
)
async def sign_in(request: Request, response: Response, gateway: GatewayDep) -> SessionView:
    """Exchange an API key for a cookie, which this service's pages may use.

    Its name is `__Host-tcan_session` on https, else `tcan_session`. The session has the key's
    rights, and ends with it, by the next sign-in, or after 12 hours. Requests that change something
    need `Sec-Fetch-Site: same-origin`, or else an `Origin` equal to the `Host`, as browsers send
    them. An address may fail 30 times a minute.
    """
    check_same_origin(request.headers)
    await _check_failures(request, gateway)
    body = await read_json(SignInRequest, request.headers, request.stream())
    if body is None:
        raise RejectedError(
            ErrorCode.INVALID_REQUEST, 'the body is missing; send JSON: {"key": "..."}'
        )
    try:
        session_id, caller = await gateway.authenticator.sign_in(body.key.get_secret_value())
    except RejectedError:
        await _check_failures(request, gateway, has_failed=True)
        raise
    await _end_sessions(request, response, gateway)
    is_secure = is_https(request.headers)
    name = SECURE_COOKIE if is_secure else COOKIE
    response.set_cookie(
        name, session_id, LIFETIME_S, httponly=True, samesite="strict", secure=is_secure
    )
    response.headers["Cache-Control"] = "no-store"
    return _view(caller)


@router.get("", summary="Get the session", responses=problem_responses(ErrorCode.UNAVAILABLE))
async def get_session(request: Request, response: Response, gateway: GatewayDep) -> SessionView:
    """Return the caller of these requests, and whether the service needs a key for them."""
    response.headers["Cache-Control"] = "no-store"
    server = request.scope.get("server")
    try:
        return _view(await gateway.authenticator.identify("GET", request.headers, server))
    except RejectedError:
        return SessionView(caller=None, scopes=[], key_needed=True)


@router.delete(
    "",
    status_code=204,
    summary="Sign out",
    responses=problem_responses(ErrorCode.FORBIDDEN, ErrorCode.UNAVAILABLE),
)
async def sign_out(request: Request, response: Response, gateway: GatewayDep) -> None:
    """End the session and delete its cookie."""
    check_same_origin(request.headers)
    await _end_sessions(request, response, gateway)


async def _end_sessions(request: Request, response: Response, gateway: Gateway) -> None:
    """End the sessions of a request's cookies, and delete the cookies."""
    await gateway.authenticator.sign_out(request.headers)
    for name in session_ids(request.headers):
        is_secure = name == SECURE_COOKIE
        response.delete_cookie(name, secure=is_secure, httponly=True, samesite="strict")


async def _check_failures(request: Request, gateway: Gateway, *, has_failed: bool = False) -> None:
    """Check the failed sign-ins of the client's address, and count one more if it has failed.

    Raises:
        RejectedError: `rate_limited`.
    """
    address = request.client.host if request.client else ""
    network = gateway.settings.http.client_network(address)
    if not network:
        return
    limit = FAILED_SIGN_INS_PER_MINUTE
    # No caller has such a name.
    failures = keys.count_request(f"sign-in:{network}", limit, check_only=not has_failed)
    result = await gateway.jobs.run(failures)
    if not result.allowed:
        raise too_many(limit, result, "failed sign-ins")


def _view(caller: Caller) -> SessionView:
    return SessionView(
        caller=caller.id, scopes=list(caller.scopes), key_needed=not caller.is_anonymous
    )
