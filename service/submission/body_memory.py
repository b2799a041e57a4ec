"""Limit on the memory that request bodies of all callers take while they arrive."""

from __future__ import annotations

from collections import Counter

from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.input_limits import MIB

LIMIT_BYTES = 128 * MIB
# Typical time to receive and store a small body.
RETRY_S = 2


class BodyMemory:
    """Bytes of request bodies in memory, of which one caller may have half. For one event loop."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit = limit_bytes
        self._used = Counter[str]()

    @property
    def used_bytes(self) -> int:
        """Bytes in memory."""
        return self._used.total()

    def resize(self, caller: str, before_bytes: int, after_bytes: int) -> None:
        """Change what a request of a caller holds.

        Raises:
            RejectedError: `unavailable`, when it grows and too few bytes are left.
        """
        more = after_bytes - before_bytes
        left = min(self._limit - self.used_bytes, self._limit // 2 - self._used[caller])
        if more > max(0, left):
            raise RejectedError(
                ErrorCode.UNAVAILABLE,
                "too many bytes of request bodies are in memory, all together or of one caller; "
                "send fewer requests at a time, or retry later",
                headers={"Retry-After": str(RETRY_S)},
            )
        self._used[caller] += more
        if not self._used[caller]:
            del self._used[caller]
