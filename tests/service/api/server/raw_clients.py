"""A gateway in the test's event loop with a clock of its own, and clients that send bytes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from service.api.app import create_app
from service.api.server.connections import Connections
from service.api.server.server import GatewayServer
from service.http_limits import HttpLimits
from service.settings import Settings
from tests.servers import GUARD_S, free_port

GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = b"POST /animate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
# Longer than a test may take, so that no connection of a slow machine is closed for it.
HEAD_TIMEOUT_S = 600.0


class Client:
    """A connection to the gateway, for bytes that no HTTP client sends."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, *pieces: bytes) -> None:
        """Send bytes, as far as the gateway reads them."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Read a response: status, headers and body."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return int(head[0].split()[1]), headers, body

    async def problem(self, status: int, code: str) -> dict[str, Any]:
        """Read a problem with the headers that every answer has."""
        found, headers, body = await self.answer()
        content: dict[str, Any] = json.loads(body)
        assert (found, content["status"], content["code"]) == (status, status, code)
        assert headers["content-type"] == "application/problem+json"
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        return content

    async def closed(self) -> bytes:
        """Return what comes until the gateway closes the connection."""
        try:
            return await self._reader.read()
        except ConnectionResetError:
            return b""

    def pause(self) -> None:
        """Read nothing more."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def close(self) -> None:
        """Close the connection."""
        self._writer.transport.abort()


class Gateway:
    """A gateway in the test's event loop."""

    def __init__(self, port: int, connections: Connections, metrics: Any) -> None:
        self._port = port
        self._connections = connections
        self._metrics = metrics
        self._clients: list[Client] = []

    async def connect(self) -> Client:
        """Connect a client."""
        client = Client(*await asyncio.open_connection("127.0.0.1", self._port))
        self._clients.append(client)
        return client

    async def settle(self) -> None:
        """Wait until the gateway has read what was sent before."""
        client = await self.connect()
        await client.send(GET + b"\r\n")
        assert (await client.answer())[0] == 200
        client.close()

    def pass_time(self, waited_s: float) -> None:
        """Let the gateway check its connections now, and as if each had waited for this long.

        The time that the test itself took does not count.
        """
        self._connections.check(asyncio.get_running_loop().time())
        opened: Any = tuple(self._connections._open)
        for each in opened:
            each.check(each._phase_began_s + waited_s)

    def refusals(self, reason: str) -> float:
        """Return the metric of connections that were refused for a reason."""
        value: float = self._metrics.refusals.labels(reason)._value.get()
        return value

    async def until_open(self, count: int) -> None:
        """Wait until this many connections are open."""
        async with asyncio.timeout(GUARD_S):
            while self._metrics.connections._value.get() != count:
                await asyncio.sleep(0)

    def unsent_bytes(self) -> int:
        """Return the bytes of responses that the gateway holds for all clients."""
        opened: Any = self._connections._open
        return sum(each.transport.get_write_buffer_size() for each in opened)

    def answered(self) -> Any:
        """Return the request whose response is held most of."""
        opened: Any = self._connections._open
        return max(opened, key=lambda each: each.transport.get_write_buffer_size())._answered

    def close(self) -> None:
        """Close all clients."""
        for client in self._clients:
            client.close()


@asynccontextmanager
async def gateway(settings: Settings, **limits: Any) -> AsyncIterator[Gateway]:
    http = HttpLimits(**{"head_timeout_s": HEAD_TIMEOUT_S} | limits)
    app = create_app(settings.model_copy(update={"http": http}))
    server = GatewayServer(app, grace_s=1, port=(port := free_port()))
    serving = asyncio.create_task(server.serve())
    opened = Gateway(port, app.state.connections, app.state.metrics)
    try:
        async with asyncio.timeout(GUARD_S):
            while not server.started:
                await asyncio.sleep(0.01)
            yield opened
    finally:
        opened.close()
        server.should_exit = True
        await serving


Story = Callable[[Gateway], Awaitable[None]]


def play(settings: Settings, story: Story, **limits: Any) -> None:
    async def main() -> None:
        async with gateway(settings, **limits) as opened:
            await story(opened)

    asyncio.run(main())
