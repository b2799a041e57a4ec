"""One connection to Redis, shared by many requests of a gateway.

Commands that arrive while the server works on a batch are sent together as the next batch. So a
command needs no connection of its own, and commands that write share one sync of the server's log.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import Any, NamedTuple

from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

# For a batch; without a limit a lost server would block for ever.
TIMEOUT_S = 5.0


class _Request(NamedTuple):
    packed: bytes
    reply: asyncio.Future[Any]


class SharedConnection:
    """A connection that sends the commands of many tasks in batches; opened with the first.

    Args:
        connection: decodes replies; closed with this object.
        timeout_s: time limit of a batch.
    """

    def __init__(self, connection: AbstractConnection, timeout_s: float = TIMEOUT_S) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._waiting: deque[_Request] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def run(self, *command: str | int) -> Any:
        """Run a command and return its reply.

        If the connection breaks, the command is sent once more on a new one, as redis-py does.

        Raises:
            RedisError: the server refuses the command, or does not answer.
        """
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[Any] = loop.create_future()
        packed = pack_command(command)  # type: ignore[arg-type]  # its stub says a tuple of one
        self._waiting.append(_Request(packed, reply))
        if self._worker is None or self._worker.done():
            self._worker = loop.create_task(self._work(), name="redis")
        return await reply

    async def close(self) -> None:
        """Answer pending commands, then close the connection."""
        if self._worker is not None:
            await asyncio.wait((self._worker,))
        await self._connection.disconnect()

    async def _work(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, deque()
            try:
                await self._exchange(batch)
            except BaseException as error:
                # No task may wait for ever, whatever went wrong.
                _fail(batch, RedisConnectionError(f"{type(error).__name__}: {error}"))
                raise

    async def _exchange(self, batch: deque[_Request]) -> None:
        """Send a batch and resolve its replies; answered requests are removed from it."""
        for attempts_left in (1, 0):
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await self._send(batch)
            except TimeoutError:
                error: RedisError = RedisTimeoutError(f"no answer within {self._timeout_s:g} s")
                return _fail(batch, error)
            except RedisTimeoutError as error:
                return _fail(batch, error)
            except (RedisError, OSError) as error:
                if not (attempts_left and isinstance(error, RedisConnectionError)):
                    return _fail(batch, error)

    async def _send(self, batch: deque[_Request]) -> None:
        text = b"".join(request.packed for request in batch)
        await self._connection.send_packed_command(text, check_health=False)
        while batch:
            try:
                # The timeout covers the whole batch.
                reply = await self._connection.read_response(timeout=math.inf)
            except ResponseError as error:
                _settle(batch.popleft().reply, error)
            else:
                _settle(batch.popleft().reply, reply)


def _settle(future: asyncio.Future[Any], reply: Any) -> None:
    if future.done():  # its task was canceled
        return
    if isinstance(reply, Exception):
        future.set_exception(reply)
    else:
        future.set_result(reply)


def _fail(batch: deque[_Request], error: Exception) -> None:
    while batch:
        _settle(batch.popleft().reply, error)
