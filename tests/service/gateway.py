"""A gateway that listens on a port, for tests with real HTTP."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from service.api.app import create_app
from service.api.server.server import GatewayServer
from service.settings import Settings
from service.stores.job_store.store import Clock
from tests.servers import GUARD_S, wait_until


@contextmanager
def running_gateway(settings: Settings, clock: Clock | None = None) -> Iterator[str]:
    """Run a gateway for the length of a `with` block; yield its URL.

    Args:
        clock: of the rate limits and quotas; that of Redis if None.
    """
    server = GatewayServer(create_app(settings, clock), grace_s=1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            wait_until(lambda: server.started, "the gateway listens")
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            # FastAPI builds its routes by pydantic at the first request, which two gateways of this
            # process must not do at once. This request builds them all.
            assert httpx.get(f"{url}/nowhere", timeout=GUARD_S).status_code == 404
            yield url
        finally:
            server.should_exit = True
            thread.join(GUARD_S)
