"""Sessions of the studio's pages: sign in with an API key, look, sign out."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.api.dependencies import GatewayDep
from service.api.openapi.request_bodies import schema_of
from service.api.problems import problem_responses
from service.auth.authenticator import Caller, presented_credentials
from service.auth.rate_limit import too_many
from service.auth.sessions import COOKIE, LIFETIME_S, SIGN_INS_PER_MINUTE, check_same_origin
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
    """Exchange an API key for the cookie `tcan_session`, which this service's pages may use.

    The session has the key's rights, and ends with it or after 12 hours. Requests that change
    something need `Sec-Fetch-Site: same-origin`, or else an `Origin` equal to the `Host`, as
    browsers send them.
    """
    check_same_origin(request.headers)
    await _count_attempt(request, gateway)
    body = await read_json(SignInRequest, request.headers, request.stream())
    if body is None:
        raise RejectedError(
            ErrorCode.INVALID_REQUEST, 'the body is missing; send JSON: {"key": "..."}'
        )
    session_id, caller = await gateway.authenticator.sign_in(body.key.get_secret_value())
    is_secure = request.headers.get("origin", "").startswith("https:")
    response.set_cookie(
        COOKIE, session_id, LIFETIME_S, httponly=True, samesite="strict", secure=is_secure
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
    session_id = presented_credentials(request.headers).session
    if session_id is not None:
        await gateway.authenticator.sign_out(session_id)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")


async def _count_attempt(request: Request, gateway: Gateway) -> None:
    """Count a sign-in of the client's address. Raises RejectedError (`rate_limited`)."""
    address = request.client.host if request.client else "local"
    # No caller has such a name.
    counted = keys.count_request(f"sign-in:{address}", SIGN_INS_PER_MINUTE)
    result = await gateway.jobs.run(counted)
    if not result.allowed:
        raise too_many(SIGN_INS_PER_MINUTE, result)


def _view(caller: Caller) -> SessionView:
    return SessionView(
        caller=caller.id, scopes=list(caller.scopes), key_needed=not caller.is_anonymous
    )
