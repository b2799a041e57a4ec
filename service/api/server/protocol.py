"""uvicorn's HTTP protocol with limits on the size of heads and on the time clients take.

The limits are in `service.http_limits` and in the constants here. A client that breaks one gets
its answer, and up to `DRAIN_S` to read it.
"""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import Any

import httptools
from starlette.types import Message, Send
from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from service.api.server.connections import MAX_UNFINISHED_BYTES, SMALL_HEAD_BYTES, Connections
from service.api.server.refusals import MAX_HEAD_BYTES, MAX_HEADERS, Refusal, refusal_response

# Bytes that are parsed at a time. What follows the end of a head or of a chunk in the same piece is
# not counted, so a head may be longer than its limit by this.
PIECE_BYTES = 16 * 1024
# Requests that a client may send before the response to the first of them.
MAX_PIPELINED = 8
BODY_PERIOD_S = 30.0
# A client that is behind with a response must read so much of it in this time.
SEND_PERIOD_S = 60.0
SEND_PERIOD_BYTES = 16 * 1024
# Bytes of a response that are passed on at a time, and that the system holds unsent of a connection
# instead of some megabytes: the rest waits in the app, which is not asked for more.
SEND_PIECE_BYTES = 64 * 1024
# What is read of a refused body, and for how long, so that its client reads the refusal: a
# connection that is closed with unread bytes is reset.
DRAIN_BYTES = 256 * 1024
DRAIN_S = 1.0


class HeadError(Exception):
    """The head of a request is over a limit."""


class UpgradeError(Exception):
    """A request with a body asks for another protocol."""


class HostError(Exception):
    """A request names several hosts: a proxy may have checked another one than the app reads."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """A connection of a client.

    Args:
        connections: counts it, and calls `check` each second.
    """

    def __init__(
        self,
        connections: Connections,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._connections = connections
        limits = connections.limits
        self._head_timeout_s = limits.head_timeout_s
        self._body_period_bytes = max(1, int(limits.body_bytes_per_s * BODY_PERIOD_S))
        self._unfinished_bytes = 0
        self._body_bytes = 0
        self._drained_bytes = 0
        self._request_count = 0
        self._resume_count = 0
        self._has_head_begun = False
        self._is_lingering = False
        self._answered: RequestResponseCycle | None = None
        self._phase: tuple[object, ...] = ()
        self._phase_began_s = 0.0

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Admit the connection, or refuse it."""
        super().connection_made(transport)
        self._phase, self._phase_began_s = self._waiting_for()[0], self.loop.time()
        refusal = self._connections.admit(self, self.client[0] if self.client else "")
        if refusal is not None:
            self._connections.count(refusal)
            transport.write(refusal_response(refusal))
            transport.close()  # at once: a flood of them must not take descriptors
        elif self.client:
            transport.get_extra_info("socket").setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, SEND_PIECE_BYTES
            )

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._finish_head()
        self._connections.remove(self)
        if self._answered is not None:  # with requests behind it, uvicorn informs only the last
            self._answered.disconnected = True
            self._answered.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse bytes of the client in pieces, none of which makes a head longer than allowed."""
        start = 0
        while start < len(data) and not self.transport.is_closing():
            if self._is_lingering:
                self._drain(len(data) - start)
                return
            room = MAX_HEAD_BYTES - self._unfinished_bytes
            piece = data[start : start + min(room, PIECE_BYTES)]
            start += len(piece)
            self._parse(piece)

    def resume_writing(self) -> None:
        """Note that the client has read something."""
        self._resume_count += 1
        super().resume_writing()

    def check(self, now_s: float) -> None:
        """Close the connection if it has waited for its client for too long.

        Args:
            now_s: time of the event loop.
        """
        phase, allowed_s = self._waiting_for()
        if phase != self._phase:
            self._phase, self._phase_began_s = phase, now_s
        elif allowed_s is not None and now_s - self._phase_began_s > allowed_s:
            self._end_phase(phase[0])

    # Callbacks of the parser

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._has_head_begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Start the request. Raises HeadError, HostError or UpgradeError to the parser."""
        self._has_head_begun = False
        self._finish_head()
        if len(self.headers) > MAX_HEADERS or len(self.pipeline) >= MAX_PIPELINED:
            raise HeadError
        if sum(name == b"host" for name, _ in self.headers) > 1:
            raise HostError
        if self.parser.should_upgrade() and any(map(is_of_body, self.headers)):
            raise UpgradeError  # the parser would take the body for the next request
        self._request_count += 1
        super().on_headers_complete()
        cycle: Any = self.cycle
        cycle.send = partial(self._send, cycle, cycle.send)

    def on_body(self, body: bytes) -> None:
        """Pass bytes of the body on."""
        self._finish_head()
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request's body."""
        self._finish_head()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin the next request, or close the connection of a body that was not read."""
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body:
            self._linger()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    # Limits

    def _parse(self, piece: bytes) -> None:
        self._unset_keepalive_if_required()
        self._unfinished_bytes += len(piece)
        self._connections.unfinished_bytes += len(piece)
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            # Answered as a request without an upgrade, the last one: the parser has dropped what
            # follows it in this piece.
            cycle: Any = self.cycle
            cycle.keep_alive = False
        except httptools.HttpParserError as error:
            is_head = isinstance(error.__context__, HeadError)
            self._refuse(Refusal.HEAD_SIZE if is_head else Refusal.MALFORMED)
            return
        if self._unfinished_bytes >= MAX_HEAD_BYTES or len(self.headers or ()) > MAX_HEADERS:
            self._refuse(Refusal.HEAD_SIZE)
        elif (
            self._connections.unfinished_bytes > MAX_UNFINISHED_BYTES
            and self._unfinished_bytes > SMALL_HEAD_BYTES
        ):
            self._refuse(Refusal.HEAD_MEMORY)

    def _finish_head(self) -> None:
        """Count no longer what was received of a head, or of the frame of a chunk."""
        self._connections.unfinished_bytes -= self._unfinished_bytes
        self._unfinished_bytes = 0

    def _waiting_for(self) -> tuple[tuple[object, ...], float | None]:
        """Return what the connection waits for, and how long it may; None is without a limit.

        The first is another one as soon as the client makes progress.
        """
        cycle, count = self.cycle, self._request_count
        unread = self.transport.get_write_buffer_size() // SEND_PERIOD_BYTES
        if self.transport.is_closing():
            return ("close", unread), SEND_PERIOD_S
        if self._is_lingering:
            return ("drain", count), DRAIN_S
        if self.flow.write_paused:
            return ("send", self._resume_count, unread), SEND_PERIOD_S
        if cycle is None or cycle.response_complete:
            return ("head", count), self._head_timeout_s
        if cycle.more_body and not self.flow.read_paused:
            return ("body", count, self._body_bytes // self._body_period_bytes), BODY_PERIOD_S
        if self._has_head_begun and not self.flow.read_paused:
            return ("head", count), self._head_timeout_s
        return ("answer", count), None

    def _end_phase(self, phase: object) -> None:
        if phase == "drain":
            self.transport.close()
        elif phase == "head" and not self._has_head_begun:
            self._connections.count(Refusal.HEAD_TIME)
            self.transport.close()
        elif phase == "head":
            self._refuse(Refusal.HEAD_TIME)
        elif phase == "body":
            self._refuse(Refusal.BODY_PACE)
        else:
            self._connections.count(Refusal.UNREAD)
            self.transport.abort()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer and close the connection."""
        self._connections.count(refusal)
        cycle = self.cycle
        if self.pipeline or (cycle and cycle.response_started and not cycle.response_complete):
            self.transport.abort()  # amid another response
            return
        if cycle and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.write(refusal_response(refusal))
        self._linger()

    async def _send(self, cycle: RequestResponseCycle, send: Send, message: Message) -> None:
        """Send a part of a response; one to an incomplete body ends its connection."""
        if message["type"] == "http.response.start":
            cycle.keep_alive = cycle.keep_alive and not cycle.more_body
            await send(message)
            return
        rest = memoryview(message.get("body", b""))
        while len(rest) > SEND_PIECE_BYTES:
            piece, rest = rest[:SEND_PIECE_BYTES], rest[SEND_PIECE_BYTES:]
            await send({**message, "body": piece, "more_body": True})
        if cycle.more_body and not message.get("more_body"):
            cycle.keep_alive = True  # uvicorn would close it at once
        await send({**message, "body": rest})

    def _linger(self) -> None:
        """Read what the client still sends for a moment, and close the connection."""
        self._finish_head()
        self._is_lingering = True
        # They may hold thousands of headers.
        self.headers, self.scope = [], {}  # type: ignore[typeddict-item]
        if not self.transport.is_closing():
            self.transport.write_eof()

    def _drain(self, size: int) -> None:
        self._drained_bytes += size
        if self._drained_bytes > DRAIN_BYTES:
            self.flow.pause_reading()


def is_of_body(header: tuple[bytes, bytes]) -> bool:
    """Return whether a header, by its lower-case name, says that a body follows."""
    name, value = header
    return name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
