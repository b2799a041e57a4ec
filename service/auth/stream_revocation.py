"""Close event streams when their API key is revoked or their session has ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, Self, TypeVar

from service.auth.keyring import CACHE_S
from service.errors import UnavailableError
from service.outage import Outage
from service.shutdown import run_unless_stopped

logger = logging.getLogger(__name__)

C = TypeVar("C", bound=Hashable)

# Together with the time that keys are cached, less than a second.
CHECK_INTERVAL_S = CACHE_S / 2


class StreamPermit:
    """Permission of one stream to send events.

    Args:
        wake: called on revocation, so that the stream stops waiting for events.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._revoked = False
        self._wake = wake

    def is_revoked(self) -> bool:
        """Return whether the stream must end."""
        return self._revoked

    def revoke(self) -> None:
        """End the stream."""
        self._revoked = True
        self._wake()


class StreamRevoker(Generic[C]):
    """Checks the credentials of all open streams, for the length of an `async with` block.

    Equal ones are checked once, however many streams use it.

    Args:
        is_valid: whether a stream's credentials still grant access.
    """

    def __init__(self, is_valid: Callable[[C], Awaitable[bool]]) -> None:
        self._is_valid = is_valid
        self._permits: dict[C, set[StreamPermit]] = {}
        self._stop = asyncio.Event()
        self._checker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._checker = asyncio.create_task(self._check(), name="stream revoker")
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._stop.set()
        assert self._checker is not None
        await self._checker

    @contextmanager
    def permit(self, presented: C, wake: Callable[[], None]) -> Iterator[StreamPermit]:
        """Register a stream; its permit is revoked when its request's credentials are."""
        permit = StreamPermit(wake)
        permits = self._permits.setdefault(presented, set())
        permits.add(permit)
        try:
            yield permit
        finally:
            permits.discard(permit)
            if not permits and self._permits.get(presented) is permits:
                del self._permits[presented]

    async def _check(self) -> None:
        outage = Outage("check of the keys of event streams", logger)
        while not self._stop.is_set():
            await run_unless_stopped(self._stop, asyncio.sleep(CHECK_INTERVAL_S))
            try:
                for presented in tuple(self._permits):
                    if not await self._is_valid(presented):
                        for permit in tuple(self._permits.get(presented, ())):
                            permit.revoke()
                outage.end()
            except UnavailableError as error:
                # Open streams stay open until Redis answers; they receive no new events meanwhile.
                outage.report(error)
