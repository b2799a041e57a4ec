"""Run job store commands on Redis or Valkey: blocking for the worker, async for the gateway."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from hashlib import sha1
from importlib import resources
from typing import Any, TypeVar

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from service.contract.states import TRANSITIONS
from service.errors import IllegalTransitionError, ServiceError, UnavailableError
from service.stores.job_store.commands import Command
from service.stores.job_store.connection import SharedConnection
from service.stores.job_store.idempotency import lost_claim_error
from service.stores.job_store.metadata import metadata_error
from service.stores.job_store.quota import quota_error

T = TypeVar("T")
Clock = Callable[[], int]

PREFIX = "tcan:"
CONNECTION: dict[str, Any] = {
    "decode_responses": True,
    "socket_connect_timeout": 2.0,
    # For one command; without a limit a lost server would block for ever.
    "socket_timeout": 5.0,
    "health_check_interval": 10,
}

# Scripts that write nothing: in the gateway they do not wait for the disk syncs of the others.
READING = frozenset(
    "any_key check_lease check_quota count_hints estimate events list list_keys list_uploads moved "
    "read read_key read_session read_uploads service_stats storage usage".split()
)
# Scripts that a server with full memory refuses.
NEW_WORK = frozenset(("create", "claim_idempotency_key", "register_upload"))

REQUIRES = re.compile(r"^-- requires: (.+)$", re.MULTILINE)


class JobStore:
    """The blocking job store, for workers and for maintenance in gateways.

    Args:
        redis: a client that decodes replies.
        clock: now in ms since 1970; None takes the server's clock, which all workers share.
    """

    def __init__(self, redis: Redis, clock: Clock | None = None) -> None:
        self.redis = redis
        self._clock = clock
        self._scripts = {name: redis.register_script(text) for name, text in scripts().items()}

    @classmethod
    def connect(cls, url: str, clock: Clock | None = None) -> JobStore:
        """Return the store on the server at `url`; connects with the first command."""
        return cls(Redis.from_url(url, **CONNECTION), clock)

    def run(self, command: Command[T]) -> T:
        """Run a command. Raises UnavailableError when the server does not answer."""
        try:
            reply = self._scripts[command.script](
                keys=[PREFIX], args=[_argument(command, self._clock)]
            )
        except RedisError as error:
            raise _mapped(error) from error
        return command.parse(reply)

    def close(self) -> None:
        """Close the connections."""
        self.redis.close()


class AsyncJobStore:
    """The gateway's job store; arguments as in `JobStore`.

    All commands share two connections, one for reading and one for writing; `redis` is for what
    needs its own, such as a subscription.
    """

    def __init__(self, redis: AsyncRedis, clock: Clock | None = None) -> None:
        self.redis = redis
        self._clock = clock
        self._writes, self._reads = (_shared_connection(redis) for _ in range(2))
        self._digests = {name: digest(name) for name in scripts()}

    @classmethod
    def connect(cls, url: str, clock: Clock | None = None) -> AsyncJobStore:
        """Return the store on the server at `url`; connects with the first command."""
        return cls(AsyncRedis.from_url(url, **CONNECTION), clock)

    async def run(self, command: Command[T]) -> T:
        """Run a command. Raises UnavailableError when the server does not answer."""
        arguments = (1, PREFIX, _argument(command, self._clock))
        connection = self._reads if command.script in READING else self._writes
        try:
            try:
                reply = await connection.run("EVALSHA", self._digests[command.script], *arguments)
            except NoScriptError:  # a new or restarted server
                reply = await connection.run("EVAL", scripts()[command.script], *arguments)
        except RedisError as error:
            raise _mapped(error) from error
        return command.parse(reply)

    async def close(self) -> None:
        """Close the connections."""
        await self._reads.close()
        await self._writes.close()
        await self.redis.aclose()


@cache
def scripts() -> dict[str, str]:
    """Return the text of every script by name, with the library parts that it requires."""
    folder = resources.files("service.stores.job_store") / "lua"
    parts = _texts(folder / "lib") | {"transitions": _transitions_table()}
    return {name: _assemble(name, text, parts) for name, text in _texts(folder).items()}


def digest(name: str) -> str:
    """Return the SHA-1 that names a script in EVALSHA; it protects nothing."""
    return sha1(scripts()[name].encode(), usedforsecurity=False).hexdigest()


def _texts(folder: Any) -> dict[str, str]:
    files = [file for file in folder.iterdir() if file.name.endswith(".lua")]
    return {file.name.removesuffix(".lua"): file.read_text() for file in files}


def _assemble(name: str, text: str, parts: dict[str, str]) -> str:
    included = ["base"]

    def include(source: str) -> None:
        match = REQUIRES.search(source)
        for part in match[1].split(", ") if match else ():
            if part not in included:
                include(parts[part])
                included.append(part)

    include(text)
    return f"#!lua{_flags(name)}\n{''.join(parts[part] for part in included)}{text}"


def _flags(name: str) -> str:
    """Return the script's flags: a server with full memory runs all but new work, to free memory.

    A script is refused as a whole, before it has written anything.
    """
    if name in READING:
        return " flags=no-writes"
    return "" if name in NEW_WORK else " flags=allow-oom"


def _transitions_table() -> str:
    rows = (
        f"{state} = {{{', '.join(f'{to} = true' for to in sorted(targets))}}}"
        for state, targets in TRANSITIONS.items()
    )
    return f"local transitions = {{{', '.join(rows)}}}\n"


def _shared_connection(redis: AsyncRedis) -> SharedConnection:
    return SharedConnection(redis.connection_pool.make_connection())  # type: ignore[no-untyped-call]


def _argument(command: Command[T], clock: Clock | None) -> str:
    return command.encode(None if clock is None else clock())


def _mapped(error: RedisError) -> ServiceError:
    """Map errors raised by scripts to their classes, all others to UnavailableError."""
    text = str(error) if isinstance(error, ResponseError) else ""
    if "ILLEGAL" in text:
        return IllegalTransitionError(text)
    refusal = quota_error(text) or lost_claim_error(text) or metadata_error(text)
    return refusal or UnavailableError(f"the job store does not answer: {error}")
