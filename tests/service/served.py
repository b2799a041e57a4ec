"""A gateway on a real socket, and readers of its events."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx
from fastapi import FastAPI

from service.api.server.server import GatewayServer
from tests.servers import free_port, wait_until


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve the app from a thread; yield its URL."""
    port = free_port()
    server = GatewayServer(app, grace_s=1, port=port)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started, "the gateway listens")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


class ReceivedEvent(NamedTuple):
    """A server-sent event."""

    version: int
    kind: str
    job: dict[str, Any]


def read_events(lines: Iterator[str]) -> Iterator[ReceivedEvent]:
    """Yield the events of a stream without comments."""
    fields: dict[str, str] = {}
    for line in lines:
        if line == "" and "data" in fields:
            yield ReceivedEvent(int(fields["id"]), fields["event"], json.loads(fields["data"]))
        if line == "":
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


class ReconnectingReader:
    """A reader of a job's events that can reconnect at any time."""

    def __init__(self, http: httpx.Client, job_id: str) -> None:
        self.http = http
        self.job_id = job_id
        self.events: list[ReceivedEvent] = []
        self._answer: httpx.Response | None = None
        self._events: Iterator[ReceivedEvent] = iter(())

    def connect(self) -> None:
        """Connect after the last event received."""
        self.close()
        headers = {"Last-Event-ID": str(self.events[-1].version)} if self.events else {}
        request = self.http.build_request("GET", f"/jobs/{self.job_id}/events", headers=headers)
        self._answer = self.http.send(request, stream=True)
        assert self._answer.status_code == 200, self._answer.read()
        self._events = read_events(self._answer.iter_lines())

    def until(self, version: int) -> ReceivedEvent:
        """Read until this version."""
        while not self.events or self.events[-1].version < version:
            self.events.append(next(self._events))
        return self.events[-1]

    def next(self) -> ReceivedEvent:
        """Read one event."""
        self.events.append(next(self._events))
        return self.events[-1]

    def rest(self) -> None:
        """Read to the end of the stream."""
        self.events.extend(self._events)

    def close(self) -> None:
        """Close the connection in the middle of the stream."""
        if self._answer is not None:
            self._answer.close()
