"""The whole service as processes that are restarted when they die."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from service.stores.object_store.s3 import make_client
from tests.servers import (
    S3Server,
    bucket_made,
    free_port,
    free_weed_port,
    listens,
    valkey_command,
    wait_until,
    weed_command,
)

PAINT_WORKER = [sys.executable, str(Path(__file__).parents[1] / "worker" / "paint_worker.py")]
COMMAND = [sys.executable, "-P", "-m", "cli.main"]
# Like a container supervisor: restart after a delay, without limit.
RESTART_AFTER_S = 0.5
START_TIMEOUT_S = 60.0


@dataclass
class Part:
    """A process of the service, in a session of its own."""

    name: str
    command: list[str]
    log: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    died_s: float | None = None
    starts: int = 0

    def start(self) -> None:
        """Start or restart it."""
        with open(self.log, "ab") as stream:
            self.process = subprocess.Popen(
                self.command,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )
        self.died_s = None
        self.starts += 1

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process if it runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def restart_if_dead(self) -> None:
        """Restart it some time after its death."""
        if self.process is None or self.process.poll() is None:
            return
        now_s = time.monotonic()
        self.died_s = self.died_s or now_s
        if now_s - self.died_s >= RESTART_AFTER_S:
            self.start()

    def kill(self) -> None:
        """Kill it; it is not restarted."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@dataclass
class Service:
    """Valkey (synced at every write), S3, a gateway and workers.

    Args:
        folder: folder for data and logs.
        workers: number of workers.
        step_s: duration of a painted step.
        model: whether workers run the shipped model instead of painting.
    """

    folder: Path
    workers: int = 2
    step_s: float = 0.1
    model: bool = False
    parts: dict[str, Part] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.redis_port, self.port = free_port(), free_port()
        self.s3_port = free_weed_port()
        self._closed = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)

    @property
    def url(self) -> str:
        """URL of the gateway."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def redis_url(self) -> str:
        """URL of Valkey."""
        return f"redis://127.0.0.1:{self.redis_port}/0"

    def __enter__(self) -> Self:
        self.s3 = S3Server(
            f"http://127.0.0.1:{self.s3_port}", "tcan", "tests", secrets.token_hex(8)
        )
        for name in ("valkey", "weed", "data"):
            (self.folder / name).mkdir(parents=True)
        self._add("valkey", self._valkey())
        self._add("weed", weed_command(self.folder / "weed", self.s3_port, self.s3))
        client = make_client(self.s3.settings(self.folder), self.s3.endpoint_url)
        wait_until(lambda: listens(self.redis_port), "valkey listens")
        wait_until(lambda: bucket_made(client, self.s3.bucket), "the bucket exists")
        self._add("gateway", [*COMMAND, "gateway", "--port", str(self.port)])
        for number in range(1, self.workers + 1):
            self._add(f"worker-{number}", [*COMMAND, "worker"] if self.model else PAINT_WORKER)
        self._supervisor.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._closed.set()
        self._supervisor.join()
        for part in self.parts.values():
            part.kill()

    def _supervise(self) -> None:
        while not self._closed.wait(0.1):
            for part in self.parts.values():
                part.restart_if_dead()

    def _add(self, name: str, command: list[str]) -> None:
        environment = {
            "TCAN_DATA": str(self.folder / "data"),
            "TCAN_OUTBOUND_ALLOW": "127.0.0.1",
            "TCAN_REDIS_URL": self.redis_url,
            "TCAN_S3_BUCKET": self.s3.bucket,
            "TCAN_S3_ENDPOINT_URL": self.s3.endpoint_url,
            "TCAN_S3_ACCESS_KEY": self.s3.access_key,
            "TCAN_S3_SECRET_KEY": self.s3.secret_key,
            "PAINT_STEP_S": str(self.step_s),
            "OMP_NUM_THREADS": "1",
        }
        part = Part(name, command, self.folder / f"{name}.log", environment)
        self.parts[name] = part
        part.start()

    def _valkey(self) -> list[str]:
        command = valkey_command(self.folder / "valkey", self.redis_port)
        return [*command, "--appendonly", "yes"]
