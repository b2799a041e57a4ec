"""Authentication: from a request's headers to the caller behind them."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from service.auth import sessions
from service.auth.anonymous_access import denial_reason
from service.auth.keyring import Keyring
from service.contract.callers import Anonymous, ApiKey, CallerLimits, Scope
from service.contract.errors import ErrorCode
from service.contract.job import ANONYMOUS
from service.contract.options import Priority
from service.errors import RejectedError
from service.stores.job_store.sessions import end_session, put_session, read_session
from service.stores.job_store.store import AsyncJobStore

READ_METHODS = ("GET", "HEAD")
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="tcan"'}


class Credentials(NamedTuple):
    """Credentials of a request: an API key, else the id of a session, else neither."""

    key: str | None = None
    session: str | None = None


@dataclass(frozen=True)
class Caller:
    """The owner of jobs.

    Attributes:
        id: part of keys in Redis: letters, digits, - and _.
        is_anonymous: whether it has no key.
    """

    id: str
    scopes: tuple[Scope, ...] = (Scope.READ, Scope.SUBMIT)
    limits: CallerLimits = CallerLimits()
    highest_priority: Priority = Priority.HIGH
    is_anonymous: bool = False

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
        self._jobs = jobs
        self._anonymous = anonymous
        self._origins = origins

    async def identify(
        self, method: str, headers: Mapping[str, str], server: tuple[str, int | None] | None
    ) -> Caller:
        """Return the caller behind a request.

        Args:
            method: a session changes something only for pages of this service.
            headers: the request's headers, by lower-case names.
            server: the address that accepted the connection.

        Raises:
            RejectedError: `unauthorized`; `forbidden` if another site's page uses a session.
            UnavailableError: Redis does not answer.
        """
        presented = presented_credentials(headers)
        key = await self._find_key(presented)
        if key is None and presented.key is not None:
            raise _unauthorized("the key is unknown, expired or revoked")
        if key is None:
            return await self._anonymous_caller(headers, server)
        if presented.session is not None and method not in READ_METHODS:
            sessions.check_same_origin(headers)
        return _caller(key)

    async def is_valid(self, presented: Credentials) -> bool:
        """Return whether these credentials, or none, grant access. Raises UnavailableError."""
        if await self._find_key(presented) is not None:
            return True
        return presented.key is None and not await self.keyring.has_keys()

    async def sign_in(self, text: str) -> tuple[str, Caller]:
        """Return the id of a new session of the key with this text, and its caller.

        Raises:
            RejectedError: `unauthorized`.
            UnavailableError: Redis does not answer.
        """
        key = await self.keyring.find(text)
        if key is None:
            raise _unauthorized("the key is unknown, expired or revoked")
        session_id = sessions.new_session_id()
        lifetime_ms = sessions.LIFETIME_S * 1000
        await self._jobs.run(put_session(sessions.digest(session_id), key.id, lifetime_ms))
        return session_id, _caller(key)

    async def sign_out(self, headers: Mapping[str, str]) -> None:
        """End the sessions of a request's cookies. Raises UnavailableError."""
        for session_id in sessions.session_ids(headers).values():
            await self._jobs.run(end_session(sessions.digest(session_id)))

    async def _find_key(self, presented: Credentials) -> ApiKey | None:
        """Return the valid key of these credentials, or None."""
        if presented.key is not None:
            return await self.keyring.find(presented.key)
        if presented.session is None:
            return None
        key_id = await self._jobs.run(read_session(sessions.digest(presented.session)))
        return None if key_id is None else await self.keyring.find_by_id(key_id)

    async def _anonymous_caller(
        self, headers: Mapping[str, str], server: tuple[str, int | None] | None
    ) -> Caller:
        if await self.keyring.has_keys():
            raise _unauthorized(
                "send a key as 'Authorization: Bearer ...' or as 'X-API-Key', or sign in by "
                "POST /studio/session; a session lasts 12 hours and ends with its key"
            )
        reason = denial_reason(self._anonymous, server, headers, self._origins)
        if reason is not None:
            raise _unauthorized(reason)
        return Caller(ANONYMOUS, is_anonymous=True)


def _caller(key: ApiKey) -> Caller:
    return Caller(key.caller, key.scopes, key.limits, key.highest_priority)


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


def presented_credentials(headers: Mapping[str, str]) -> Credentials:
    """Return the credentials in a request's headers."""
    key = presented_key(headers)
    if key is not None:
        return Credentials(key=key)
    return Credentials(session=sessions.session_id(headers))


def presented_key(headers: Mapping[str, str]) -> str | None:
    """Return the key in a request's headers, or None."""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    return headers.get("x-api-key")
