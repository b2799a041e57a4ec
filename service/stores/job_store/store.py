"""Run job store commands on Redis or Valkey: blocking for the worker, async for the gateway."""

from __future__ import annotations

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
from service.stores.job_store.commands import Call
from service.stores.job_store.quota import quota_error
from service.stores.job_store.requests import claim_error
from service.stores.job_store.runner import Pipe

T = TypeVar("T")
Clock = Callable[[], int]

PREFIX = "tcan:"
CONNECT_TIMEOUT_S = 2.0
# A command that takes longer than this has lost its server; without a limit it would wait for ever.
SOCKET_TIMEOUT_S = 5.0

# Scripts that write nothing: in the gateway they do not wait behind the syncs of those that do.
READING = frozenset(
    (
        "ask",
        "read",
        "read_uploads",
        "events",
        "list",
        "snapshot",
        "waiting_hints",
        "read_key",
        "list_keys",
        "any_key",
        "room_for_a_job",
    )
)
# Scripts that a full server refuses.
NEW_WORK = frozenset(("create", "claim", "upload"))


class Jobs:
    """The job store of a worker, and of what keeps jobs going in a gateway.

    Args:
        redis: a client that decodes replies.
        clock: now in ms since 1970; None takes the server's clock, the one that all workers share.
    """

    def __init__(self, redis: Redis, clock: Clock | None = None) -> None:
        self.redis = redis
        self._clock = clock
        self._scripts = {name: redis.register_script(text) for name, text in scripts().items()}

    @classmethod
    def connect(cls, url: str, clock: Clock | None = None) -> Jobs:
        """The store on the server at `url`; connects with the first call."""
        return cls(Redis.from_url(url, **_options()), clock)

    def run(self, call: Call[T]) -> T:
        """Do it and read the reply. Raises UnavailableError when the server does not answer."""
        try:
            reply = self._scripts[call.script](keys=[PREFIX], args=_arguments(call, self._clock))
        except RedisError as error:
            raise _mapped(error) from error
        return call.parse(reply)

    def close(self) -> None:
        """Give the connections back."""
        self.redis.close()


class AsyncJobs:
    """The job store of the gateway; arguments as in `Jobs`.

    All calls share two connections, those that only read and the others; `redis` is for what needs
    its own, such as a subscription.
    """

    def __init__(self, redis: AsyncRedis, clock: Clock | None = None) -> None:
        self.redis = redis
        self._clock = clock
        self._writes, self._reads = (_pipe(redis) for _ in range(2))
        self._digests = {name: digest(name) for name in scripts()}

    @classmethod
    def connect(cls, url: str, clock: Clock | None = None) -> AsyncJobs:
        """The store on the server at `url`; connects with the first call."""
        return cls(AsyncRedis.from_url(url, **_options()), clock)

    async def run(self, call: Call[T]) -> T:
        """Do it and read the reply. Raises UnavailableError when the server does not answer."""
        given = (1, PREFIX, *_arguments(call, self._clock))
        pipe = self._reads if call.script in READING else self._writes
        try:
            try:
                reply = await pipe.run("EVALSHA", self._digests[call.script], *given)
            except NoScriptError:  # a server that is new, or came back
                reply = await pipe.run("EVAL", scripts()[call.script], *given)
        except RedisError as error:
            raise _mapped(error) from error
        return call.parse(reply)

    async def close(self) -> None:
        """Give the connections back."""
        await self._reads.close()
        await self._writes.close()
        await self.redis.aclose()


@cache
def scripts() -> dict[str, str]:
    """Name and text of every script, with the table of transitions and the prelude before it."""
    folder = resources.files("service.stores.job_store") / "lua"
    texts = {file.name.removesuffix(".lua"): file.read_text() for file in folder.iterdir()}
    prelude = _legal_table() + texts.pop("prelude")
    return {name: f"#!lua{_flags(name)}\n{prelude}{text}" for name, text in texts.items()}


def digest(name: str) -> str:
    """By this EVALSHA names a script; it protects nothing."""
    return sha1(scripts()[name].encode(), usedforsecurity=False).hexdigest()


def _flags(name: str) -> str:
    """What a server may run when its memory is full: all but new work, so that memory gets free.

    A script is refused as a whole, before it has written anything.
    """
    if name in READING:
        return " flags=no-writes"
    return "" if name in NEW_WORK else " flags=allow-oom"


def _legal_table() -> str:
    rows = (
        f"{state} = {{{', '.join(f'{to} = true' for to in sorted(targets))}}}"
        for state, targets in TRANSITIONS.items()
    )
    return f"local legal = {{{', '.join(rows)}}}\n"


def _pipe(redis: AsyncRedis) -> Pipe:
    return Pipe(redis.connection_pool.make_connection())  # type: ignore[no-untyped-call]


def _options() -> dict[str, Any]:
    return {
        "decode_responses": True,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": SOCKET_TIMEOUT_S,
        "health_check_interval": 10,
    }


def _arguments(call: Call[T], clock: Clock | None) -> list[str | int]:
    return ["" if clock is None else clock(), *call.arguments]


def _mapped(error: RedisError) -> ServiceError:
    """What a script raises has its own class; all else is the state of the server."""
    if isinstance(error, ResponseError) and "ILLEGAL" in str(error):
        return IllegalTransitionError(str(error))
    if isinstance(error, ResponseError):
        refusal = quota_error(str(error)) or claim_error(str(error))
        if refusal is not None:
            return refusal
    return UnavailableError(f"the job store does not answer: {error}")
