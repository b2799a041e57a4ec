"""Limit on the uploads whose parts are joined at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.contract.errors import ErrorCode
from service.errors import RejectedError

# Each holds twice its file in the spool, and a thread.
JOINS, JOINS_PER_CALLER = 4, 2
RETRY_S = 5


class JoinSlots:
    """Slots of a gateway for joins. For one event loop."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(JOINS)
        self._used: Counter[str] = Counter()

    @asynccontextmanager
    async def hold(self, caller_id: str) -> AsyncIterator[None]:
        """Wait for a slot and hold it during the block.

        Raises:
            RejectedError: `unavailable`, when the caller has as many as it may, or waits for them.
        """
        if self._used[caller_id] >= JOINS_PER_CALLER:
            raise RejectedError(
                ErrorCode.UNAVAILABLE,
                f"{JOINS_PER_CALLER} of your uploads are being joined, the limit of a caller is "
                f"{JOINS_PER_CALLER}; retry later",
                headers={"Retry-After": str(RETRY_S)},
            )
        self._used[caller_id] += 1
        try:
            async with self._all:
                yield
        finally:
            self._used[caller_id] -= 1
            if not self._used[caller_id]:
                del self._used[caller_id]
