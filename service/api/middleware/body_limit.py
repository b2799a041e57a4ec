"""No body is longer than its route takes, whoever reads it and however its length is told."""

from __future__ import annotations

from collections.abc import Collection

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.problems import problem
from service.contract.errors import ErrorCode
from service.submission.receive import MAX_JSON_BYTES


class Bounded:
    """The app with the bodies of its requests bounded.

    FastAPI reads a parsed body as a whole before it asks any dependency who calls. So no more than
    `MAX_JSON_BYTES` of one are passed on: then the app sees its client leave, and the client sees
    why.

    Args:
        streamed: paths of routes that read their bodies as they arrive, each with its own limits.
    """

    def __init__(self, app: ASGIApp, streamed: Collection[str]) -> None:
        self._app = app
        self._streamed = frozenset(streamed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http" or scope["path"] in self._streamed:
            await self._app(scope, receive, send)
            return
        size, begun = 0, False

        async def bounded() -> Message:
            nonlocal size
            if size > MAX_JSON_BYTES:
                return {"type": "http.disconnect"}
            message = await receive()
            size += len(message.get("body", b""))
            return message if size <= MAX_JSON_BYTES else {"type": "http.disconnect"}

        async def answer(message: Message) -> None:
            nonlocal begun
            if begun or size <= MAX_JSON_BYTES:
                begun = True
                await send(message)

        await self._app(scope, bounded, answer)
        if not begun:
            detail = f"the body has more than {MAX_JSON_BYTES} bytes"
            refusal = problem(Request(scope), ErrorCode.BODY_TOO_LARGE, detail)
            await refusal(scope, receive, send)
