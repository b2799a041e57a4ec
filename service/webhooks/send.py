"""The one place that speaks to a receiver of webhooks."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import NamedTuple

import httpx

from service.contract.webhooks import Attempt
from service.outbound.guard import AddressRefused, Guard
from service.outbound.transport import GuardedTransport

# A receiver should take a message and do its work later.
TIMEOUT_S = 15.0


class Sent(NamedTuple):
    """An attempt, and what the receiver said about the next one."""

    attempt: Attempt
    retry_after: str | None


class Sender:
    """Posts messages; follows no redirect and reads no answer beyond its head.

    Args:
        guard: knows the hosts that may be connected to.
    """

    def __init__(self, guard: Guard) -> None:
        self._http = httpx.AsyncClient(
            transport=GuardedTransport(guard),
            timeout=TIMEOUT_S,
            follow_redirects=False,
            trust_env=False,
            headers={"user-agent": f"tcan/{version('tcan')}", "content-type": "application/json"},
        )

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> Sent:
        """Try once; an answer that does not come is told in the attempt, and never raised."""
        began_ms, began_s = round(time.time() * 1000), time.monotonic()
        status, error, retry_after = None, None, None
        try:
            async with self._http.stream("POST", url, headers=headers, content=body) as answer:
                status, retry_after = answer.status_code, answer.headers.get("retry-after")
        except (httpx.HTTPError, httpx.InvalidURL, AddressRefused) as problem:
            error = type(problem).__name__
        took_ms = round(1000 * (time.monotonic() - began_s))
        return Sent(
            Attempt(at_ms=began_ms, took_ms=took_ms, status=status, error=error), retry_after
        )

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()
