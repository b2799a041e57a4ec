"""CPU time of a request in uvicorn's HTTP protocols, in alternating rounds.

    python docs/benchmarks/service/protocols.py [--rounds N]

Compared are uvicorn's httptools protocol without limits, the gateway's subclass of it, and h11 with
`h11_max_incomplete_event_size`. Each runs in a process of its own with an app that does nothing.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import socket
import statistics
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

from service.api.server.connections import Connections
from service.api.server.protocol import BoundedHttpProtocol
from service.http_limits import HttpLimits
from service.telemetry.metrics import GatewayMetrics

REQUESTS = 2000
BODY = json.dumps({"image_upload": "0" * 32, "driving_upload": "1" * 32, "params": {"seed": 7}})
HEADERS = {
    "Authorization": "Bearer tcan_0123456789abcdef_0123456789abcdef0123456789abcdef",
    "Content-Type": "application/json",
    "Idempotency-Key": "8e03978e-40d5-43e8-bc93-6894a57f9324",
    "User-Agent": "tcan-client/0.1.0",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}
ANSWER = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-length", b"2"), (b"content-type", b"application/json")],
}


async def app(
    scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Read the body and answer."""
    while (await receive()).get("more_body"):
        pass
    await send(ANSWER)
    await send({"type": "http.response.body", "body": b"{}"})


def serve(name: str, listener: socket.socket) -> None:
    """Serve with one of the protocols."""
    protocol: Any = {
        "httptools": "httptools",
        "bounded httptools": partial(
            BoundedHttpProtocol, Connections(HttpLimits(), GatewayMetrics())
        ),
        "h11": "h11",
    }[name]
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        h11_max_incomplete_event_size=64 * 1024,
    )
    uvicorn.Server(config).run(sockets=[listener])


def cpu_s(pid: int) -> float:
    """Return the processor time of a process's main thread."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def request_us(process: multiprocessing.Process, client: http.client.HTTPConnection) -> float:
    """Return the processor time of a request, in microseconds."""
    assert process.pid is not None
    before_s = cpu_s(process.pid)
    for _ in range(REQUESTS):
        client.request("POST", "/animate", BODY, HEADERS)
        client.getresponse().read()
    return (cpu_s(process.pid) - before_s) / REQUESTS * 1e6


def main() -> None:
    """Print the median of each protocol, and of its difference to the first in the same round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    servers = {}
    for name in ("httptools", "bounded httptools", "h11"):
        listener = socket.create_server(("127.0.0.1", 0))
        process = multiprocessing.Process(target=serve, args=(name, listener), daemon=True)
        process.start()
        client = http.client.HTTPConnection("127.0.0.1", listener.getsockname()[1], timeout=60)
        servers[name] = (process, client)
    times: dict[str, list[float]] = {name: [] for name in servers}
    for _ in range(rounds):
        for name, (process, client) in servers.items():
            times[name].append(request_us(process, client))
    first = times["httptools"]
    for name, values in times.items():
        more = [value - base for value, base in zip(values, first, strict=True)]
        print(
            f"{name:18} {statistics.median(values):6.1f} us   "
            f"{statistics.median(more):+6.1f} us against httptools"
        )
    for process, _ in servers.values():
        process.terminate()


if __name__ == "__main__":
    main()
