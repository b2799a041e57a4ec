"""uvicorn's server, as a gateway runs it."""

from __future__ import annotations

import asyncio
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from service.api.server.connections import Connections
from service.api.server.protocol import BoundedHttpProtocol

# uvicorn calls `on_tick` ten times a second.
TICKS_PER_CHECK = 10


class GatewayServer(uvicorn.Server):
    """Serves a gateway's app.

    Args:
        app: the app of `service.api.app.create_app`.
        grace_s: running uploads and downloads get this long to finish.
        options: further arguments of `uvicorn.Config`.
    """

    def __init__(self, app: FastAPI, grace_s: int, **options: Any) -> None:
        self._app = app
        self._connections = app.state.connections
        assert isinstance(self._connections, Connections)
        protocol: Any = partial(BoundedHttpProtocol, self._connections)
        config = uvicorn.Config(
            app,
            http=protocol,
            ws="none",  # its protocol would not have the limits
            proxy_headers=False,  # nothing depends on a client's address
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=grace_s,
            **options,
        )
        super().__init__(config)

    async def on_tick(self, counter: int) -> bool:
        """Close connections that have waited for their clients for too long."""
        if counter % TICKS_PER_CHECK == 0:
            self._connections.check(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Close event streams, which would otherwise last as long as their jobs."""
        if hasattr(self._app.state, "gateway"):
            self._app.state.gateway.events.close_streams_soon()
        super().handle_exit(sig, frame)
