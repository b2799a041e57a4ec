"""An HTTP client whose connections go where its guard lets them.

The guard stands at the place where a connection is made, so it judges the very address that is
connected to; there is no second look-up in between. `Host` and the name in TLS stay the URL's own.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import httpcore
import httpx
from httpcore import SOCKET_OPTION, AsyncNetworkBackend, AsyncNetworkStream

from service.outbound.guard import Guard


class GuardedBackend(AsyncNetworkBackend):
    """Opens connections for httpcore's pool."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._backend = httpcore.AnyIOBackend()

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
            timeout: seconds for all addresses together; each has its share of what is left.

        Raises:
            AddressRefusedError: the host leads to where callers may not go.
            httpcore.ConnectError: nothing answers, or there is no such host.
        """
        try:
            addresses = await self._guard.addresses(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(type(error).__name__) from error
        ends_s = None if timeout is None else time.monotonic() + timeout
        for left in range(len(addresses), 0, -1):
            share_s = None if ends_s is None else max(0.0, ends_s - time.monotonic()) / left
            try:
                return await self._backend.connect_tcp(
                    addresses[-left], port, share_s, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if left == 1:
                    raise
        raise AssertionError("the guard gives an address or raises")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """No caller has business there."""
        raise httpcore.ConnectError("sockets of the file system are not connected to")

    async def sleep(self, seconds: float) -> None:
        """As httpcore asks for."""
        await self._backend.sleep(seconds)


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport on connections of a `GuardedBackend`.

    Each request has a connection of its own, and none waits for that of another: who sends them
    bounds how many there are at once.
    """

    def __init__(self, guard: Guard) -> None:
        super().__init__(trust_env=False)
        # httpx has no parameter for it: https://github.com/encode/httpx/discussions/2979
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_connections=None,
            max_keepalive_connections=0,
            network_backend=GuardedBackend(guard),
        )
