"""Connections that send half a request or too much of one: memory, descriptors and answers."""

from __future__ import annotations

import re
import resource
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.hostile.conftest import Service
from tests.servers import GUARD_S, wait_until

HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
LARGEST_GROWTH_MIB = 20
HALF_REQUESTS = 1100
# They would take over 200 MiB.
UNFINISHED_FORMS, LARGEST_FORMS_MIB = 400, 128
MIB = 1024 * 1024

pytestmark = [pytest.mark.e2e, pytest.mark.long]


@pytest.fixture(autouse=True)
def descriptors() -> Iterator[None]:
    """Let this process open as many connections as the gateway."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connect(service: Service) -> socket.socket:
    address = urlsplit(str(service.http.base_url))
    return socket.create_connection((address.hostname, address.port), timeout=GUARD_S)


def send_as_far_as_read(client: socket.socket, content: bytes) -> None:
    """Send until everything is sent or the gateway closes the connection."""
    try:
        client.sendall(content)
    except ConnectionError:
        pass


def read_to_the_end(client: socket.socket) -> bytes:
    """Return what the gateway sends before it closes the connection."""
    content = bytearray()
    try:
        while piece := client.recv(65536):
            content += piece
    except ConnectionResetError:
        pass
    return bytes(content)


def memory_mib(service: Service) -> float:
    """Return the gateway's memory now."""
    status = Path(f"/proc/{service.gateway.pid}/status").read_text()
    match = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert match is not None
    return int(match[1]) / 1024


@pytest.mark.parametrize(
    "line", [b"a" * MIB, b"a: b\r\n" * (MIB // 6), b"a" * 60_000], ids=["long", "many", "allowed"]
)
def test_unfinished_heads_take_little_memory(service: Service, line: bytes) -> None:
    service.http.get("/healthz")
    before = memory_mib(service)
    with ExitStack() as clients:
        for _ in range(50):
            client = clients.enter_context(closing(connect(service)))
            send_as_far_as_read(client, HEAD + b"X: " + line)
        assert service.is_alive()
        growth = memory_mib(service) - before
    print(f"\ngrowth with 50 unfinished heads: {growth:.1f} MiB")
    assert growth < LARGEST_GROWTH_MIB


def test_head_of_96_mib_is_refused_at_its_limit(service: Service) -> None:
    before = memory_mib(service)
    with closing(connect(service)) as client:
        send_as_far_as_read(client, HEAD + b"X: " + b"a" * (96 * MIB))
        assert read_to_the_end(client).startswith(b"HTTP/1.1 431 ")
    assert memory_mib(service) - before < LARGEST_GROWTH_MIB
    assert service.is_alive()


def test_200_mib_of_a_refused_body_are_not_read(service: Service) -> None:
    head = (
        b"POST /animate HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: no\r\nContent-Length: %d\r\n\r\n"
    )
    with closing(connect(service)) as client:
        client.sendall(head % (200 * MIB))
        sent = 0
        with pytest.raises(ConnectionError):
            for _ in range(200):
                client.sendall(bytes(MIB))
                sent += MIB
        assert read_to_the_end(client).startswith(b"HTTP/1.1 401 ")
    assert sent < 50 * MIB  # what the kernel's buffers hold, at most
    assert service.is_alive()


def test_unfinished_forms_of_a_caller_take_half_of_the_memory_for_bodies(service: Service) -> None:
    head = (
        b"POST /animate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3000000\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    )
    part = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n' + bytes(250_000) + b"\r\n"
    form = head + b"".join(part % name for name in (b"image", b"driving", b"image_pose"))
    service.http.get("/healthz")
    before, files = memory_mib(service), {"driving": ("d", bytes(250_000))}
    with ExitStack() as clients:
        is_full = False
        for number in range(UNFINISHED_FORMS):
            client = clients.enter_context(closing(connect(service)))
            send_as_far_as_read(client, form)
            # On a slow machine the first forms are closed before the last ones come.
            if not is_full and number % 20 == 19:
                is_full = service.http.post("/poses", files=files).status_code == 503
        growth = memory_mib(service) - before
    assert is_full
    print(f"\ngrowth with {UNFINISHED_FORMS} unfinished forms: {growth:.1f} MiB")
    assert growth < LARGEST_FORMS_MIB
    wait_until(lambda: service.http.post("/poses", files=files).status_code == 422, "room again")
    assert service.is_alive()


def test_gateway_may_open_as_many_descriptors_as_the_system_allows(service: Service) -> None:
    for process in (service.gateway, service.worker):
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        match = re.search(r"Max open files\s+(\d+)\s+(\d+)", limits)
        assert match is not None and match[1] == match[2]


def test_gateway_answers_while_half_requests_stand_and_closes_them(service: Service) -> None:
    before = memory_mib(service)
    with ExitStack() as clients:
        opened = [clients.enter_context(closing(connect(service))) for _ in range(HALF_REQUESTS)]
        for client in opened:
            client.sendall(HEAD)
        for _ in range(20):
            assert httpx.get(f"{service.http.base_url}/healthz", timeout=GUARD_S).is_success
        growth = memory_mib(service) - before
        print(f"\ngrowth with {HALF_REQUESTS} half requests: {growth:.1f} MiB")
        text = service.http.get("/metrics").text
        match = re.search(r"^tcan_http_connections (\S+)", text, re.MULTILINE)
        assert match is not None and float(match[1]) >= HALF_REQUESTS
        for client in opened:
            assert read_to_the_end(client).startswith(b"HTTP/1.1 408 ")
    assert service.is_alive()


@pytest.mark.slow
def test_half_requests_delay_others_by_little(service: Service) -> None:
    with ExitStack() as clients:
        for _ in range(HALF_REQUESTS):
            clients.enter_context(closing(connect(service))).sendall(HEAD)
        times_ms = []
        for _ in range(1000):
            began_s = time.perf_counter()
            assert service.http.get("/healthz").status_code == 200
            times_ms.append((time.perf_counter() - began_s) * 1000)
    p99_ms = statistics.quantiles(times_ms, n=100)[98]
    print(f"\n/healthz with {HALF_REQUESTS} half requests: {p99_ms:.1f} ms (99th percentile)")
    assert p99_ms < 50
