"""Middleware: answer HEAD wherever a route has GET."""

from __future__ import annotations

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Key in a request's scope: the method that the client sent, if the app sees another one.
SENT_METHOD = "tcan.sent_method"


class HeadMiddleware:
    """Answers HEAD with the status and headers of the GET response.

    The app sees a GET request and is canceled after its headers, so neither a file is read nor an
    event stream held open.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        with anyio.CancelScope() as running:

            async def send_headers(message: Message) -> None:
                if message["type"] == "http.response.start":
                    await send(message)
                    await send({"type": "http.response.body"})
                    running.cancel()

            as_get = {**scope, "method": "GET", SENT_METHOD: "HEAD"}
            await self._app(as_get, receive, send_headers)
