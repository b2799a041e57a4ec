"""Authentication: from a request's headers to the caller behind them."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass

from service.auth.anonymous_access import denial_reason
from service.auth.keyring import Keyring
from service.contract.callers import Anonymous, CallerLimits, Scope
from service.contract.errors import ErrorCode
from service.contract.job import ANONYMOUS
from service.contract.options import Priority
from service.errors import RejectedError
from service.stores.job_store.store import AsyncJobStore

READ_METHODS = ("GET", "HEAD")
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="tcan"'}


@dataclass(frozen=True)
class Caller:
    """The owner of jobs. `id` is part of keys in Redis: letters, digits, - and _."""

    id: str
    scopes: tuple[Scope, ...] = (Scope.READ, Scope.SUBMIT)
    limits: CallerLimits = CallerLimits()
    highest_priority: Priority = Priority.HIGH

    @property
    def sees_all(self) -> bool:
        """True if it may see the jobs of other callers."""
        return Scope.ADMIN in self.scopes


class Authenticator:
    """Finds the caller of a request.

    Args:
        anonymous: who may call without a key while no key exists.
        origins: origins of pages that may do so.
    """

    def __init__(
        self, jobs: AsyncJobStore, anonymous: Anonymous, origins: Container[str] = ()
    ) -> None:
        self.keyring = Keyring(jobs)
        self._anonymous = anonymous
        self._origins = origins

    async def identify(
        self, headers: Mapping[str, str], server: tuple[str, int | None] | None
    ) -> Caller:
        """Return the caller behind a request's headers.

        Args:
            headers: the request's headers, by lower-case names.
            server: the address that accepted the connection.

        Raises:
            RejectedError: `unauthorized`.
            UnavailableError: Redis does not answer.
        """
        text = presented_key(headers)
        if text is None:
            return await self._anonymous_caller(headers, server)
        key = await self.keyring.find(text)
        if key is None:
            raise _unauthorized("the key is unknown, expired or revoked")
        return Caller(key.caller, key.scopes, key.limits, key.highest_priority)

    async def is_valid(self, text: str | None) -> bool:
        """Return whether this key, or none, still grants access. Raises UnavailableError."""
        if text is None:
            return not await self.keyring.has_keys()
        return await self.keyring.find(text) is not None

    async def _anonymous_caller(
        self, headers: Mapping[str, str], server: tuple[str, int | None] | None
    ) -> Caller:
        if await self.keyring.has_keys():
            raise _unauthorized("send a key as 'Authorization: Bearer ...' or as 'X-API-Key'")
        reason = denial_reason(self._anonymous, server, headers, self._origins)
        if reason is not None:
            raise _unauthorized(reason)
        return Caller(ANONYMOUS)


def check_method(caller: Caller, method: str) -> None:
    """Raise RejectedError (`forbidden`) when the caller's scopes do not allow the HTTP method."""
    check_scope(caller, Scope.READ if method in READ_METHODS else Scope.SUBMIT, method)


def check_scope(caller: Caller, scope: Scope, action: str) -> None:
    """Raise RejectedError (`forbidden`) when the caller lacks the scope that an action needs."""
    if scope not in caller.scopes and not caller.sees_all:
        raise RejectedError(
            ErrorCode.FORBIDDEN,
            f"the key lacks the scope {scope.value!r}, which {action} needs; use a key that has it",
        )


def _unauthorized(detail: str) -> RejectedError:
    return RejectedError(ErrorCode.UNAUTHORIZED, detail, headers=CHALLENGE)


def presented_key(headers: Mapping[str, str]) -> str | None:
    """Return the key in a request's headers, or None."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    return headers.get("x-api-key")
