"""The keys as a gateway knows them: read from Redis, and believed for half a second."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from service.auth.key_secrets import fits, id_of
from service.contract.callers import ApiKey
from service.stores.job_store import keys
from service.stores.job_store.store import AsyncJobs

# A revoked key works for no longer than this, in every gateway.
BELIEVED_S = 0.5
MOST = 4096


class Keyring:
    """Finds keys.

    Args:
        now_s: rises steadily; what is known is as old as it tells.
    """

    def __init__(self, jobs: AsyncJobs, now_s: Callable[[], float] = time.monotonic) -> None:
        self._jobs = jobs
        self._now_s = now_s
        self._known: OrderedDict[str, tuple[float, ApiKey | None]] = OrderedDict()
        self._looked_s: float | None = None
        self._closed = False

    async def find(self, text: str) -> ApiKey | None:
        """The valid key that this is; None when it is none. Raises UnavailableError."""
        key_id = id_of(text)
        if key_id is None:
            return None
        key = await self._read(key_id)
        valid = key is not None and fits(text, key) and key.is_valid(time.time() * 1000)
        return key if valid else None

    async def is_closed(self) -> bool:
        """Whether there was ever a key, so that everybody needs one. Raises UnavailableError."""
        now_s = self._now_s()
        if not self._closed and (self._looked_s is None or now_s - self._looked_s > BELIEVED_S):
            self._closed = await self._jobs.run(keys.any_key())
            self._looked_s = now_s
        return self._closed

    async def callers(self) -> list[str]:
        """Everybody who ever had a key."""
        return list(dict.fromkeys(key.caller for key in await self._jobs.run(keys.list_keys())))

    async def _read(self, key_id: str) -> ApiKey | None:
        now_s = self._now_s()
        read_s, key = self._known.get(key_id, (None, None))
        if read_s is None or now_s - read_s > BELIEVED_S:
            key = await self._jobs.run(keys.read_key(key_id))
            self._known[key_id] = (now_s, key)
            self._known.move_to_end(key_id)
            while len(self._known) > MOST:
                self._known.popitem(last=False)
        return key
