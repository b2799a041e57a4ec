"""An HTTP transport that connects only to addresses allowed by a guard.

The address that is checked is the one that is connected to, without a second look-up (against DNS
rebinding). The `Host` header and the TLS server name stay those of the URL.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import httpcore
import httpx
from httpcore import SOCKET_OPTION, AsyncNetworkBackend, AsyncNetworkStream

from service.outbound.guard import Guard

# What a server may send until the head of its response is complete, informational responses
# included, of which thousands fit into it, and how much of it is parsed at a time.
MAX_HEAD_BYTES = 32 * 1024
HEAD_PIECE_BYTES = 8 * 1024


class ResponseStream(AsyncNetworkStream):
    """A connection on which the head of a response is limited.

    Attributes:
        is_head_complete: set by the receiver of the response; what follows is not limited here.
    """

    def __init__(self, stream: AsyncNetworkStream) -> None:
        self._stream = stream
        self._head_bytes = 0
        self.is_head_complete = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what arrives next. Raises httpcore.RemoteProtocolError for too long a head."""
        if self.is_head_complete:
            return await self._stream.read(max_bytes, timeout)
        content = await self._stream.read(min(max_bytes, HEAD_PIECE_BYTES), timeout)
        self._head_bytes += len(content)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise httpcore.RemoteProtocolError("the head of the response is too long")
        return content

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send bytes."""
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> AsyncNetworkStream:
        """Return the encrypted connection."""
        return ResponseStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore asks about the connection."""
        return self._stream.get_extra_info(info)


class GuardedBackend(AsyncNetworkBackend):
    """A network backend for httpcore that checks addresses.

    Args:
        backend: makes the connections; one with sockets if None.
        monotonic_s: a monotonic clock.
    """

    def __init__(
        self,
        guard: Guard,
        backend: AsyncNetworkBackend | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._guard = guard
        self._backend = httpcore.AnyIOBackend() if backend is None else backend
        self._monotonic_s = monotonic_s

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Connect to the first of the host's addresses that answers.

        Args:
            timeout: seconds for all addresses together, shared equally among the remaining ones.

        Raises:
            AddressRefusedError: the host is not allowed.
            httpcore.ConnectError: no address answers, or the host cannot be resolved.
        """
        try:
            addresses = await self._guard.addresses(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(type(error).__name__) from error
        ends_s = None if timeout is None else self._monotonic_s() + timeout
        for remaining in range(len(addresses), 0, -1):
            share_s = None if ends_s is None else max(0.0, ends_s - self._monotonic_s()) / remaining
            try:
                stream = await self._backend.connect_tcp(
                    addresses[-remaining], port, share_s, local_address, socket_options
                )
                return ResponseStream(stream)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if remaining == 1:
                    raise
        raise AssertionError("the guard returns an address or raises")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Refuse: callers must not connect to Unix sockets."""
        raise httpcore.ConnectError("Unix sockets are not allowed")

    async def sleep(self, seconds: float) -> None:
        """Sleep, as httpcore requires."""
        await self._backend.sleep(seconds)


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's transport with a `GuardedBackend`.

    Each request has its own connection; the caller limits their number.
    """

    def __init__(self, guard: Guard) -> None:
        super().__init__(trust_env=False)
        # httpx has no parameter for the backend: https://github.com/encode/httpx/discussions/2979
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=_ssl_context(),
            max_connections=None,
            max_keepalive_connections=0,
            network_backend=GuardedBackend(guard),
        )


# To read all certificates takes some 60 ms, which no request should hold the event loop for.
@cache
def _ssl_context() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
