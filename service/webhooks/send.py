"""Post messages to webhook receivers."""

from __future__ import annotations

import asyncio
import time
from importlib.metadata import version
from typing import NamedTuple

import httpx

from service.contract.webhooks import Attempt
from service.outbound.client import OutboundClient
from service.outbound.failures import failure_cause
from service.outbound.guard import AddressRefusedError, Guard
from service.webhooks.schedule import read_retry_after

# For a whole attempt: host look-up, connection, TLS, response header. A receiver should accept the
# message first and do its work later.
DEADLINE_S = 15.0
# For all addresses of a host together.
CONNECT_S = 8.0


class SendResult(NamedTuple):
    """An attempt, and the seconds until the next one that the receiver asked for."""

    attempt: Attempt
    retry_after_s: float | None = None


class Sender:
    """Posts messages; follows no redirects and does not read response bodies.

    Args:
        guard: decides which hosts are allowed.
        deadline_s: time limit of an attempt; httpx's timeout restarts with each byte received.
    """

    def __init__(self, guard: Guard, deadline_s: float = DEADLINE_S) -> None:
        self._deadline_s = deadline_s
        self._http = OutboundClient(
            guard,
            httpx.Timeout(None, connect=CONNECT_S),
            {"User-Agent": f"tcan/{version('tcan')}", "Content-Type": "application/json"},
        )

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> SendResult:
        """Make one attempt; errors are recorded in it, never raised."""
        began_ms, began_s = round(time.time() * 1000), time.monotonic()
        status, error, retry_after_s = None, None, None
        try:
            async with (
                asyncio.timeout(self._deadline_s),
                self._http.send("POST", url, headers, body) as answer,
            ):
                status = answer.status_code
                retry_after_s = read_retry_after(answer.headers.get("retry-after"), time.time())
        except AddressRefusedError as problem:
            error = problem.detail
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, UnicodeError) as problem:
            error = failure_cause(problem)
        took_ms = round(1000 * (time.monotonic() - began_s))
        attempt = Attempt(at_ms=began_ms, took_ms=took_ms, status=status, error=error)
        return SendResult(attempt, retry_after_s)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()
