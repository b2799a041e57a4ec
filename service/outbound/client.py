"""Requests to hosts that callers name, which leave nothing behind for the next request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Self

import httpx

from service.outbound.guard import Guard
from service.outbound.transport import GuardedTransport


class OutboundClient:
    """Sends requests that may come from different callers.

    It is httpx's transport without httpx's client. So there are no cookies, credentials, proxies
    or redirects, and a response whose `Location` is no URL is a response like others.

    Args:
        guard: decides which hosts may be connected to.
        timeout: of each step of a request.
        headers: sent with each request.
    """

    def __init__(self, guard: Guard, timeout: httpx.Timeout, headers: Mapping[str, str]) -> None:
        self._transport = GuardedTransport(guard)
        self._extensions = {"timeout": timeout.as_dict()}
        self._headers = dict(headers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.close()

    @asynccontextmanager
    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """Send a request; yield the response, whose body has not been read.

        Raises:
            AddressRefusedError: the host is not allowed.
            httpx.HTTPError: there is no response.
            httpx.InvalidURL, UnicodeError: `url` is not valid.
        """
        request = httpx.Request(
            method,
            url,
            headers={**self._headers, **(headers or {})},
            content=content,
            extensions=self._extensions,
        )
        response = await self._transport.handle_async_request(request)
        response.extensions["network_stream"].is_head_complete = True
        try:
            yield response
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.aclose()
