"""Broker, gateway and worker as child processes that are restarted when they end."""

from __future__ import annotations

import fcntl
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from redis import Redis
from redis.exceptions import RedisError

from cli.descriptors import raise_descriptor_limit
from cli.embedded.broker import make_broker
from cli.embedded.part import Part
from cli.listener import listen
from cli.private_files import make_private, private_opener, write_private
from service.errors import ServiceError, SettingsError
from service.settings import Settings, load_settings
from service.stores.job_store.keys import any_key
from service.stores.job_store.store import JobStore
from tcan_client import Client

# A worker finishes its step and releases its job within this time, or is killed.
STOP_TIMEOUT_S = 10.0
READY_TIMEOUT_S = 180.0
POLL_INTERVAL_S = 0.1
# Only compared with; nothing listens because of it.
ALL_IPV4 = "0.0.0.0"  # nosec B104
# Secrets of the gateway that the worker does not need.
GATEWAY_SECRETS = ("TCAN_WEBHOOK_KEY", "TCAN_WEBHOOK_ED25519_KEYS")


class StackError(ServiceError):
    """A part of the embedded service has failed."""


@dataclass
class Stack:
    """The embedded service during a `with` block.

    Args:
        data: folder of its data and logs; for one service at a time.
        host: address that the gateway listens on.
        port: its port; 0 chooses a free one.
        log: called with one line per event.
        worker: command that runs a worker, which finds the data folder in TCAN_DATA.
    """

    data: Path
    host: str
    port: int
    log: Callable[[str], None] = lambda line: None
    worker: Sequence[str] | None = None

    def __post_init__(self) -> None:
        self._parts: list[Part] = []
        self._cleanup = ExitStack()
        self._is_ready = False
        self.url = ""

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(self, *raised: object) -> None:
        self._cleanup.close()

    def wait_ready(self, is_stopping: Callable[[], bool] = lambda: False) -> bool:
        """Wait until the service is ready; return False once `is_stopping` returns True.

        Raises:
            StackError: a part ended, or the start takes too long.
        """
        deadline = time.monotonic() + READY_TIMEOUT_S
        with Client(self.url) as client:
            while not client.is_ready():
                if is_stopping():
                    return False
                self.restart_ended()
                if time.monotonic() > deadline:
                    raise StackError(f"not ready after {READY_TIMEOUT_S:g} s; see {self.logs}")
                time.sleep(POLL_INTERVAL_S)
        self._is_ready = True
        return True

    def restart_ended(self) -> None:
        """Restart the parts that have ended, and limit the logs of all.

        Raises:
            StackError: a part ended before the service was ready.
        """
        for part in self._parts:
            part.limit_log()
            reason = part.exit_reason()
            if reason is None:
                continue
            if not self._is_ready:
                raise StackError(
                    f"the {part.name} ended with {reason}: {part.log_tail()} (see {part.log})"
                )
            if not part.is_restart_due():
                continue
            self.log(f"the {part.name} ended with {reason}; restarting it")
            part.start()

    @property
    def logs(self) -> Path:
        """The folder of the parts' logs."""
        return self.data / "logs"

    def has_keys(self) -> bool:
        """Return whether an API key exists; without one only this machine may call."""
        with closing(JobStore.connect(load_settings(data=self.data).broker_url())) as jobs:
            return jobs.run(any_key())

    @property
    def parts(self) -> dict[str, int | None]:
        """Names and process ids of the parts."""
        return {part.name: part.pid for part in self._parts}

    def _start(self) -> None:
        raise_descriptor_limit()  # of the parts that inherit it, such as the broker
        settings = load_settings(data=self.data)
        if notice := make_private(self.data):
            self.log(notice)
        self._cleanup.enter_context(_locked(self.data / "lock"))
        listener = self._cleanup.enter_context(listen(self.host, self.port))
        self.url = _url(listener)
        self._cleanup.callback(self._stop)
        if settings.redis_url is None:
            self._start_broker(settings)
        descriptor = listener.fileno()
        self._add("gateway", tcan("gateway", "--fd", str(descriptor)), (descriptor,))
        self._add("worker", self.worker or tcan("worker"), withheld=GATEWAY_SECRETS)

    def _start_broker(self, settings: Settings) -> None:
        part, url = make_broker(self.data, self.logs / "broker.log")
        self._parts.append(part)
        part.start()
        with Redis.from_url(url) as redis:
            while not _is_up(redis):
                self.restart_ended()
                time.sleep(POLL_INTERVAL_S)
        write_private(settings.embedded_url_file, url)
        self._cleanup.callback(settings.embedded_url_file.unlink, missing_ok=True)

    def _add(
        self,
        name: str,
        command: Sequence[str],
        inherited: tuple[int, ...] = (),
        withheld: tuple[str, ...] = (),
    ) -> None:
        environment = {"TCAN_DATA": str(self.data.resolve())}
        part = Part(name, command, self.logs / f"{name}.log", environment, withheld, inherited)
        self._parts.append(part)
        part.start()

    def _stop(self) -> None:
        """Stop the broker last, so that the worker can release its job."""
        others = [part for part in self._parts if part.name != "broker"]
        for part in others:
            part.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for part in others:
            part.join(max(0.0, deadline - time.monotonic()))
        for part in self._parts:
            part.terminate()
            part.join(STOP_TIMEOUT_S)


def tcan(*arguments: str) -> list[str]:
    """Return the command line of a part."""
    # -P: do not import a folder called cli or service of the current directory.
    return [sys.executable, "-P", "-m", "cli.main", *arguments]


def _locked(file: Path) -> IO[str]:
    """Lock the folder until this process ends."""
    stream = open(file, "w", opener=private_opener)
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.close()
        raise SettingsError(
            f"another embedded service runs on {file.parent}; stop it, or choose another --data"
        ) from None
    return stream


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    reachable = {ALL_IPV4: "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _is_up(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False
