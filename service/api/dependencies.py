"""FastAPI dependencies of the routes: the gateway and the caller."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from service.auth.authenticator import Caller, check_method
from service.auth.rate_limit import rate_headers, too_many
from service.gateway import Gateway
from service.outbound.guard import CALLER_ID
from service.stores.job_store import keys

# Key in a request's scope: headers that the response gets, whatever its status.
RESPONSE_HEADERS = "tcan.response_headers"


# Dependencies are asynchronous, because FastAPI runs plain functions in threads.
async def get_gateway(request: Request) -> Gateway:
    """Return the gateway that serves this request."""
    gateway = request.app.state.gateway
    assert isinstance(gateway, Gateway)
    return gateway


async def get_caller(request: Request) -> Caller:
    """Authenticate the request, count it against the caller's rate limit, and check its scope.

    Raises:
        RejectedError: `unauthorized`, `rate_limited` or `forbidden`.
        UnavailableError: Redis does not answer.
    """
    gateway = await get_gateway(request)
    caller = await gateway.authenticator.identify(
        request.method, request.headers, request.scope.get("server")
    )
    limit = caller.limits.requests_per_minute
    if limit is not None:
        result = await gateway.jobs.run(keys.count_request(caller.id, limit))
        request.scope[RESPONSE_HEADERS] = rate_headers(limit, result)
        if not result.allowed:
            raise too_many(limit, result)
    check_method(caller, request.method)
    CALLER_ID.set(caller.id)
    return caller


GatewayDep = Annotated[Gateway, Depends(get_gateway)]
CallerDep = Annotated[Caller, Depends(get_caller)]
