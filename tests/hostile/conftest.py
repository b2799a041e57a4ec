"""Fixtures: gateway and worker processes with the shipped model, and the servers around them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from redis import Redis

from tests.servers import GUARD_S, free_port, listens, running, valkey, wait_until
from tests.service.web import Web, web_server

GATEWAY = Path(__file__).with_name("gateway.py")
LIMITS = {
    "TCAN_LIMITS__MAX_IMAGE_BYTES": str(1024 * 1024),
    "TCAN_LIMITS__MAX_DRIVING_BYTES": str(2 * 1024 * 1024),
    "TCAN_FETCH_TIMEOUT_S": str(GUARD_S),
    "TCAN_OUTBOUND_ALLOW": "127.0.0.2",
    "OMP_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class Service:
    """The attacked service and the web servers around it.

    Attributes:
        http: for requests to the gateway.
        impatient_http: for requests to a second gateway, which gives up a fetch soon.
        outside: a host of the internet that belongs to the attacker.
        inside: an internal service that must not be reached.
    """

    http: httpx.Client
    impatient_http: httpx.Client
    gateway: subprocess.Popen[bytes]
    worker: subprocess.Popen[bytes]
    data: Path
    redis: Redis
    outside: Web
    inside: Web

    def is_alive(self) -> bool:
        """Check that both processes still run and the gateway answers."""
        exit_codes = (self.gateway.poll(), self.worker.poll())
        return exit_codes == (None, None) and self.http.get("/healthz").status_code == 200

    def wait_for_worker(self) -> None:
        """Wait until the worker has loaded its model."""
        wait_until(lambda: self.http.get("/readyz").status_code == 200, "the worker is ready")

    def files(self) -> list[Path]:
        """Return all files of callers on the disk."""
        folders = [self.data / name for name in ("spool", "objects/jobs", "objects/uploads")]
        return [path for folder in folders for path in folder.rglob("*") if path.is_file()]

    def peak_mib(self) -> dict[str, float]:
        """Return the peak memory of each process so far."""
        return {"gateway": peak_mib(self.gateway), "worker": peak_mib(self.worker)}


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Start one service for all attacks, so that side effects of one show in the next."""
    with running_service(tmp_path_factory.mktemp("hostile"), LIMITS) as service:
        yield service


@contextmanager
def running_service(folder: Path, limits: Mapping[str, str]) -> Iterator[Service]:
    """Start a service with these settings and the web servers around it."""
    with ExitStack() as stack:
        url, _ = stack.enter_context(valkey(folder))
        data = folder / "data"
        environment = {"TCAN_DATA": str(data), "TCAN_REDIS_URL": url, **limits}
        gateway, http = _start_gateway(stack, folder / "gateway.log", environment)
        impatient = {**environment, "TCAN_FETCH_TIMEOUT_S": "2"}
        _, impatient_http = _start_gateway(stack, folder / "impatient.log", impatient)
        command = [sys.executable, "-P", "-m", "cli.main", "worker"]
        worker = stack.enter_context(running(command, folder / "worker.log", environment))
        service = Service(
            http,
            impatient_http,
            gateway,
            worker,
            data,
            stack.enter_context(Redis.from_url(url, decode_responses=True)),
            stack.enter_context(web_server("127.0.0.2")),
            stack.enter_context(web_server("127.0.0.1")),
        )
        yield service


def _start_gateway(
    stack: ExitStack, log: Path, environment: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], httpx.Client]:
    port = free_port()
    command = [sys.executable, "-P", str(GATEWAY), "--port", str(port)]
    process = stack.enter_context(running(command, log, dict(environment)))
    wait_until(lambda: listens(port), "the gateway listens")
    url = f"http://127.0.0.1:{port}"
    return process, stack.enter_context(httpx.Client(base_url=url, timeout=GUARD_S))


def peak_mib(process: subprocess.Popen[bytes]) -> float:
    """Return the peak memory of a process."""
    match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert match is not None
    return int(match[1]) / 1024
