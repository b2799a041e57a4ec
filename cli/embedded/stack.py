"""Broker, gateway and worker together: started, watched, started again when one dies, stopped."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Self

from redis import Redis
from redis.exceptions import RedisError

from cli.embedded.broker import make_broker, write_private
from cli.embedded.part import Part
from service.client import Client
from service.errors import ServiceError, SettingsError
from service.settings import Settings, load_settings
from service.stores.job_store.keys import any_key
from service.stores.job_store.store import JobStore

# A worker finishes its step and gives its job back within this time, or is killed.
STOP_PATIENCE_S = 10.0
READY_TIMEOUT_S = 180.0
LOOK_EVERY_S = 0.1
# Nothing listens because of this; it says how to reach what does.
ALL_IPV4 = "0.0.0.0"  # nosec B104
# The worker neither signs nor delivers: it gets none of these.
GATEWAYS_SECRETS = ("TCAN_WEBHOOK_KEY", "TCAN_WEBHOOK_ED25519_KEYS")


class StackError(ServiceError):
    """A part of the embedded service does not run."""


class Stack:
    """The embedded service for the length of a `with` block.

    Args:
        data: folder of its data and logs; one service at a time.
        host: where the gateway listens.
        port: likewise; 0 takes a free one.
        say: told what happens, in one line each.
        worker: the command that runs a worker; it finds the data folder in TCAN_DATA.
    """

    def __init__(
        self,
        data: Path,
        host: str,
        port: int,
        say: Callable[[str], None] = lambda line: None,
        worker: Sequence[str] | None = None,
    ) -> None:
        self._data = data
        self._address = (host, port)
        self._say = say
        self._worker = tcan("worker") if worker is None else worker
        self._parts: list[Part] = []
        self._cleanup = ExitStack()
        self._ready = False
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

    def wait_ready(self, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Wait until the service does its work; False when `stopped` says to give up.

        Raises:
            StackError: a part ended, or it takes too long.
        """
        deadline = time.monotonic() + READY_TIMEOUT_S
        with Client(self.url) as client:
            while not client.is_ready():
                if stopped():
                    return False
                self.tend()
                if time.monotonic() > deadline:
                    raise StackError(f"not ready after {READY_TIMEOUT_S:g} s; see {self.logs}")
                time.sleep(LOOK_EVERY_S)
        self._ready = True
        return True

    def tend(self) -> None:
        """Look after the parts: one that ended is started again.

        Raises:
            StackError: it ended before the service was ready.
        """
        for part in self._parts:
            how = part.ended()
            if how is None:
                continue
            if not self._ready:
                raise StackError(
                    f"the {part.name} ended with {how}: {part.last_words()} (see {part.log})"
                )
            if not part.is_due():
                continue
            self._say(f"the {part.name} ended with {how}; starting it again")
            part.start()

    @property
    def logs(self) -> Path:
        """The folder of the parts' logs."""
        return self._data / "logs"

    def has_keys(self) -> bool:
        """Whether callers need a key; without one this machine alone may call."""
        jobs = JobStore.connect(load_settings(data=self._data).broker_url())
        try:
            return jobs.run(any_key())
        finally:
            jobs.close()

    @property
    def parts(self) -> dict[str, int | None]:
        """Names and process numbers of the parts."""
        return {part.name: part.pid for part in self._parts}

    def _start(self) -> None:
        settings = load_settings(data=self._data)
        self._data.mkdir(parents=True, exist_ok=True)
        self._cleanup.enter_context(_locked(self._data / "lock"))
        listener = self._cleanup.enter_context(_listen(*self._address))
        self.url = _url(listener)
        self._cleanup.callback(self._stop)
        if settings.redis_url is None:
            self._start_broker(settings)
        descriptor = listener.fileno()
        self._add("gateway", tcan("gateway", "--fd", str(descriptor)), (descriptor,))
        self._add("worker", self._worker, withheld=GATEWAYS_SECRETS)

    def _start_broker(self, settings: Settings) -> None:
        part, url = make_broker(self._data, self.logs / "broker.log")
        self._parts.append(part)
        part.start()
        with Redis.from_url(url) as redis:
            while not _answers(redis):
                self.tend()
                time.sleep(LOOK_EVERY_S)
        write_private(settings.embedded_url_file, url)
        self._cleanup.callback(settings.embedded_url_file.unlink, missing_ok=True)

    def _add(
        self,
        name: str,
        command: Sequence[str],
        inherited: tuple[int, ...] = (),
        withheld: tuple[str, ...] = (),
    ) -> None:
        environment = {"TCAN_DATA": str(self._data.resolve())}
        part = Part(name, command, self.logs / f"{name}.log", environment, withheld, inherited)
        self._parts.append(part)
        part.start()

    def _stop(self) -> None:
        """Stop the broker last, so that the worker can give its job back."""
        others = [part for part in self._parts if part.name != "broker"]
        for part in others:
            part.terminate()
        deadline = time.monotonic() + STOP_PATIENCE_S
        for part in others:
            part.join(max(0.0, deadline - time.monotonic()))
        for part in self._parts:
            part.terminate()
            part.join(STOP_PATIENCE_S)


def tcan(*arguments: str) -> list[str]:
    """The command line of a part."""
    # -P: a folder of the user's that is called cli or service must not be taken for ours.
    return [sys.executable, "-P", "-m", "cli.main", *arguments]


def _locked(file: Path) -> IO[str]:
    """Lock the folder for this process; the system releases the lock when the process ends."""
    stream = open(file, "w")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.close()
        raise SettingsError(
            f"another embedded service runs on {file.parent}; stop it, or choose another --data"
        ) from None
    return stream


def _listen(host: str, port: int) -> socket.socket:
    """Listen before anything is started, so that a taken port is told at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise SettingsError(
            f"cannot listen on {host} port {port} ({why}); choose another --port"
        ) from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    # Nothing listens here; it says how to reach what does.
    reachable = {ALL_IPV4: "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _answers(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False
