"""Connections use the checked address and the requested host name."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpcore
import pytest

from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.outbound.guard import Guard
from service.outbound.transport import GuardedBackend
from service.submission.fetch import fetch
from tests.servers import GUARD_S
from tests.service.web import web_server

SILENT = "127.0.0.3"


class Names:
    """A resolver with given answers; the last one is repeated."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return [self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]]

    @property
    def guard(self) -> Guard:
        """Return a guard that treats 127.0.0.2 as public."""
        return Guard(networks=Guard.allowing("127.0.0.2").networks, resolve=self)


def fetched(names: Names, url: str, folder: Path) -> bytes:
    """Return the response from a URL."""
    file = folder / "file"
    asyncio.run(fetch(names.guard, url, file, 1000, GUARD_S, list[int]().append))
    return file.read_bytes()


def test_host_is_resolved_once_and_host_header_is_kept(tmp_path: Path) -> None:
    names = Names("127.0.0.2", "127.0.0.1")
    with web_server("127.0.0.2") as web:
        web.page("/file", b"x")
        port = web.url.rpartition(":")[2]
        assert fetched(names, f"http://changing.example:{port}/file", tmp_path) == b"x"
        assert web.hosts == [f"changing.example:{port}"]
    assert names.asked == ["changing.example"]


def test_redirect_to_rebound_host_is_refused(tmp_path: Path) -> None:
    names = Names("127.0.0.2", "127.0.0.1")
    with web_server("127.0.0.2") as web, web_server() as inner:
        port = inner.url.rpartition(":")[2]
        inner.page("/secret", b"secret")
        url = web.page("/a", b"", 302, {"Location": f"http://second.example:{port}/secret"})
        with pytest.raises(RejectedError) as refused:
            fetched(names, url.replace("127.0.0.2", "first.example"), tmp_path)
        assert refused.value.code is ErrorCode.URL_REFUSED
        assert inner.requests == []
    assert names.asked == ["first.example", "second.example"]


def test_next_address_is_tried_after_connection_failure(tmp_path: Path) -> None:
    async def both(host: str, port: int) -> list[str]:
        return ["127.0.0.3", "127.0.0.2"]

    with web_server("127.0.0.2") as web:
        web.page("/file", b"x")
        url = web.url.replace("127.0.0.2", "two.example") + "/file"
        guard = Guard(networks=Guard.allowing("127.0.0.0/30").networks, resolve=both)
        asyncio.run(fetch(guard, url, tmp_path / "file", 1000, GUARD_S, list[int]().append))
    assert (tmp_path / "file").read_bytes() == b"x"


class FastTimeouts(httpcore.AnyIOBackend):
    """A backend with a clock of its own, on which timeouts take as long as they are given.

    Attributes:
        timeouts_s: of all connections so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.timeouts_s: list[float] = []

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *rest: Any, **more: Any
    ) -> httpcore.AsyncNetworkStream:
        assert timeout is not None
        self.timeouts_s.append(timeout)
        real_s = 0.1 if host == SILENT else GUARD_S
        try:
            return await super().connect_tcp(host, port, real_s, *rest, **more)
        except httpcore.ConnectTimeout:
            self.now_s += timeout
            raise


def test_silent_addresses_share_the_connect_timeout() -> None:
    backend = FastTimeouts()

    async def three(host: str, port: int) -> list[str]:
        return [SILENT, SILENT, "127.0.0.2"]

    async def connect(port: int) -> None:
        guard = Guard(networks=Guard.allowing("127.0.0.0/30").networks, resolve=three)
        guarded = GuardedBackend(guard, backend, lambda: backend.now_s)
        stream = await guarded.connect_tcp("three.example", port, timeout=3.0)
        await stream.aclose()

    # The accept queue is full: new connections get no answer.
    with socket.create_server((SILENT, 0), backlog=0) as silent:
        port = silent.getsockname()[1]
        with (
            socket.create_connection(silent.getsockname()),
            socket.create_server(("127.0.0.2", port)),
        ):
            asyncio.run(connect(port))
    assert backend.timeouts_s == [1.0, 1.0, 1.0]


def test_endless_informational_responses_end_the_download(tmp_path: Path) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while True:
                writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)
                await writer.drain()

    async def main() -> None:
        async with await asyncio.start_server(flood, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            guard = Guard.allowing("127.0.0.1")
            await fetch(guard, url, tmp_path / "file", 1000, GUARD_S, list[int]().append)

    with pytest.raises(RejectedError) as error:
        asyncio.run(main())
    assert error.value.code is ErrorCode.URL_FAILED
    assert "sent no valid HTTP" in error.value.detail
