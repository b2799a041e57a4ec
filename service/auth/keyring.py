"""API keys as a gateway sees them: read from Redis and cached for half a second."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from service.auth.key_secrets import id_of, matches
from service.contract.callers import ApiKey
from service.stores.job_store import keys
from service.stores.job_store.store import AsyncJobStore

# In every gateway, a revoked key works for no longer than this.
CACHE_S = 0.5
MAX_CACHED_KEYS = 4096


class Keyring:
    """Looks up keys.

    Args:
        now_s: a monotonic clock, which sets the age of cached keys.
    """

    def __init__(self, jobs: AsyncJobStore, now_s: Callable[[], float] = time.monotonic) -> None:
        self._jobs = jobs
        self._now_s = now_s
        self._cache: OrderedDict[str, tuple[float, ApiKey | None]] = OrderedDict()
        self._checked_s: float | None = None
        self._has_keys = False

    async def find(self, text: str) -> ApiKey | None:
        """Return the valid key with this text, or None. Raises UnavailableError."""
        key_id = id_of(text)
        if key_id is None:
            return None
        key = await self.find_by_id(key_id)
        return key if key is not None and matches(text, key) else None

    async def find_by_id(self, key_id: str) -> ApiKey | None:
        """Return the valid key with this id, or None. Raises UnavailableError."""
        key = await self._read(key_id)
        return key if key is not None and key.is_valid(time.time() * 1000) else None

    async def has_keys(self) -> bool:
        """Return whether a key was ever made, so that every request needs one.

        Raises:
            UnavailableError: Redis does not answer.
        """
        now_s = self._now_s()
        if not self._has_keys and (self._checked_s is None or now_s - self._checked_s > CACHE_S):
            self._has_keys = await self._jobs.run(keys.any_key())
            self._checked_s = now_s
        return self._has_keys

    async def _read(self, key_id: str) -> ApiKey | None:
        now_s = self._now_s()
        read_s, key = self._cache.get(key_id, (None, None))
        if read_s is None or now_s - read_s > CACHE_S:
            key = await self._jobs.run(keys.read_key(key_id))
            self._cache[key_id] = (now_s, key)
            self._cache.move_to_end(key_id)
            while len(self._cache) > MAX_CACHED_KEYS:
                self._cache.popitem(last=False)
        return key
