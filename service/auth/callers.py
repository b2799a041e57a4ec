"""Who calls: one dependency, on which every route that touches jobs stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from service.auth.anonymous_access import Anonymous, why_not
from service.auth.keyring import Keyring
from service.auth.rate_limit import rate_headers, too_many
from service.contract.callers import ApiKey, CallerLimits, Scope
from service.contract.errors import ErrorCode
from service.contract.job import ANONYMOUS
from service.contract.options import Priority
from service.errors import RejectedError
from service.stores.job_store import keys
from service.stores.job_store.store import AsyncJobs

READING = ("GET", "HEAD")
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="tcan"'}
# Of a request's scope: headers that its answer gets, whatever it is.
ANSWER_HEADERS = "tcan.answer_headers"


@dataclass(frozen=True)
class Caller:
    """Somebody with jobs of their own. `id` is part of keys in Redis: letters, digits, - and _."""

    id: str
    scopes: tuple[Scope, ...] = (Scope.READ, Scope.SUBMIT)
    limits: CallerLimits = CallerLimits()
    highest_priority: Priority = Priority.HIGH

    @property
    def sees_all(self) -> bool:
        """Whether the jobs of others are there for it."""
        return Scope.ADMIN in self.scopes

    def may(self, scope: Scope) -> bool:
        """Whether its key opens this."""
        return scope in self.scopes or self.sees_all


class Gate:
    """Tells who calls, and counts requests.

    Args:
        anonymous: who may come in while there is no key.
    """

    def __init__(self, jobs: AsyncJobs, anonymous: Anonymous) -> None:
        self.keyring = Keyring(jobs)
        self._jobs = jobs
        self._anonymous = anonymous

    async def admit(self, request: Request) -> Caller:
        """The caller of a request.

        Raises:
            RejectedError: without a valid key, with one that does not open this, or too often.
            UnavailableError: Redis does not answer.
        """
        text = presented(request.headers)
        if text is None:
            return await self._anonymously(request)
        key = await self.keyring.find(text)
        if key is None:
            raise RejectedError(
                ErrorCode.UNAUTHORIZED, "the key is unknown, expired or revoked", headers=CHALLENGE
            )
        caller = caller_of(key)
        await self._count(caller, request)
        scope = Scope.READ if request.method in READING else Scope.SUBMIT
        if not caller.may(scope):
            raise RejectedError(ErrorCode.FORBIDDEN, f"the key lacks the scope {scope.value!r}")
        return caller

    async def still(self, text: str | None) -> bool:
        """Whether who came in with this key, or with none, may stay. Raises UnavailableError."""
        if text is None:
            return not await self.keyring.is_closed()
        return await self.keyring.find(text) is not None

    async def _anonymously(self, request: Request) -> Caller:
        if await self.keyring.is_closed():
            detail = "send a key as 'Authorization: Bearer ...' or as 'X-API-Key'"
            raise RejectedError(ErrorCode.UNAUTHORIZED, detail, headers=CHALLENGE)
        why = why_not(self._anonymous, request.scope.get("server"), request.headers)
        if why is not None:
            raise RejectedError(ErrorCode.UNAUTHORIZED, why, headers=CHALLENGE)
        return Caller(ANONYMOUS)

    async def _count(self, caller: Caller, request: Request) -> None:
        most = caller.limits.requests_per_minute
        if most is None:
            return
        count = await self._jobs.run(keys.count_request(caller.id, most))
        request.scope[ANSWER_HEADERS] = rate_headers(most, count)
        if not count.passed:
            raise too_many(most, count)


def caller_of(key: ApiKey) -> Caller:
    """Whom a key stands for."""
    return Caller(key.caller, key.scopes, key.limits, key.highest_priority)


def presented(headers: Mapping[str, str]) -> str | None:
    """The key that a request brings; None when it brings none."""
    scheme, _, word = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return word.strip()
    return headers.get("x-api-key")


async def get_caller(request: Request) -> Caller:
    """The caller of this request."""
    gate = request.app.state.gateway.gate
    assert isinstance(gate, Gate)
    return await gate.admit(request)


CallerDep = Annotated[Caller, Depends(get_caller)]
