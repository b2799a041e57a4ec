"""Middleware: limit the size of request bodies."""

from __future__ import annotations

from collections.abc import Collection

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import problem
from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.submission.receive import MAX_JSON_BYTES


class BodyLimitMiddleware:
    """Limits request bodies to `MAX_JSON_BYTES`, whether or not they declare a length.

    FastAPI reads a whole body before it calls dependencies, which include authentication. Over the
    limit, the app sees a disconnect and the client gets 413.

    Args:
        streamed: paths of routes that read their bodies as a stream, with limits of their own.
    """

    def __init__(self, app: ASGIApp, streamed: Collection[str]) -> None:
        self._app = app
        self._streamed = frozenset(streamed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http" or scope["path"] in self._streamed:
            await self._app(scope, receive, send)
            return
        size, is_started = 0, False

        async def limited_receive() -> Message:
            nonlocal size
            if size > MAX_JSON_BYTES:
                return {"type": "http.disconnect"}
            message = await receive()
            size += len(message.get("body", b""))
            return message if size <= MAX_JSON_BYTES else {"type": "http.disconnect"}

        async def limited_send(message: Message) -> None:
            nonlocal is_started
            if is_started or size <= MAX_JSON_BYTES:
                is_started = True
                await send(message)

        await self._app(scope, limited_receive, limited_send)
        if not is_started:
            detail = f"the body is over the limit of {MAX_JSON_BYTES} bytes"
            response = problem(Request(scope), RejectedError(ErrorCode.BODY_TOO_LARGE, detail))
            await response(scope, receive, send)
