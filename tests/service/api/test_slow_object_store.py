"""An object store that does not answer: requests that need it wait, and others do not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import httpx
import pytest
from pydantic import SecretStr

from service.settings import Settings
from tests.servers import GUARD_S, wait_until
from tests.service.gateway import running_gateway

# More than the threads that all other routes share.
REQUESTS = 60


class SilentStore:
    """A server that accepts connections and answers nothing until it is closed."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._opened: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    @property
    def connections(self) -> int:
        """Number of connections that were accepted."""
        return len(self._opened)

    def accept(self) -> None:
        """Accept connections until the listener is closed."""
        try:
            while True:
                self._opened.append(self._listener.accept()[0])
        except OSError:
            pass

    def close(self) -> None:
        """Close all connections, and accept none from now on."""
        with suppress(OSError):  # it was closed before
            self._listener.shutdown(socket.SHUT_RDWR)
        for each in self._opened:
            each.close()


@contextmanager
def silent_store() -> Iterator[SilentStore]:
    with socket.create_server(("127.0.0.1", 0), backlog=REQUESTS) as listener:
        store = SilentStore(listener)
        accepting = threading.Thread(target=store.accept)
        accepting.start()
        try:
            yield store
        finally:
            store.close()
            accepting.join(GUARD_S)


@pytest.mark.long
def test_requests_that_wait_for_the_object_store_do_not_hinder_others(
    folder_settings: Settings,
) -> None:
    with silent_store() as store:
        update = {
            "s3_bucket": "tcan",
            "s3_endpoint_url": store.url,
            "s3_access_key": SecretStr("a"),
            "s3_secret_key": SecretStr("b"),
            "s3_timeout_s": GUARD_S,
        }
        settings = folder_settings.model_copy(update=update)
        with running_gateway(settings) as url, ThreadPoolExecutor(REQUESTS) as threads:
            waiting = [
                threads.submit(httpx.post, f"{url}/uploads", timeout=3 * GUARD_S)
                for _ in range(REQUESTS)
            ]
            wait_until(lambda: store.connections >= 30, "requests wait for the store")
            for path in ("/studio/examples/small.png", "/healthz", "/docs"):
                assert httpx.get(f"{url}{path}", timeout=GUARD_S).status_code == 200, path
            assert not any(request.done() for request in waiting)
            store.close()
            assert {request.result().status_code for request in waiting} <= {201, 503}
