"""Answers that go on: each ends when whoever asked for it may come in no longer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Self

from service.auth.keyring import BELIEVED_S
from service.errors import UnavailableError
from service.shutdown import unless

logger = logging.getLogger(__name__)

# With the time that a key is believed for, less than a second.
LOOK_S = BELIEVED_S / 2


class Stay:
    """One answer's leave to go on.

    Args:
        wake: called when it is over, so that nobody waits for what will not be sent.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._over = False
        self._wake = wake

    def is_over(self) -> bool:
        """Whether nothing more may be sent."""
        return self._over

    def end(self) -> None:
        """Nothing more may be sent."""
        self._over = True
        self._wake()


class Stays:
    """Looks at the keys of all answers under way, for the length of an `async with` block.

    However many answers there are to one key, it is looked at once.

    Args:
        may_stay: whether this key, or nobody's (None), still opens the service.
    """

    def __init__(self, may_stay: Callable[[str | None], Awaitable[bool]]) -> None:
        self._may_stay = may_stay
        self._stays: dict[str | None, set[Stay]] = {}
        self._stop = asyncio.Event()
        self._looker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._looker = asyncio.create_task(self._look(), name="stays")
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._stop.set()
        assert self._looker is not None
        await self._looker

    @contextmanager
    def stay(self, key: str | None, wake: Callable[[], None]) -> Iterator[Stay]:
        """Leave to go on, by the key that the request brought."""
        stay = Stay(wake)
        of_key = self._stays.setdefault(key, set())
        of_key.add(stay)
        try:
            yield stay
        finally:
            of_key.discard(stay)
            if not of_key and self._stays.get(key) is of_key:
                del self._stays[key]

    async def _look(self) -> None:
        while not self._stop.is_set():
            await unless(self._stop, asyncio.sleep(LOOK_S))
            try:
                for key in tuple(self._stays):
                    if not await self._may_stay(key):
                        for stay in tuple(self._stays.get(key, ())):
                            stay.end()
            except UnavailableError as error:
                # Who came in stays until there is somebody to ask; nothing new is sent meanwhile.
                logger.warning("streams: their keys cannot be looked at: %s", error)
