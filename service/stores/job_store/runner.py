"""One connection to Redis that many requests of a gateway share.

What arrives while the server works on a batch goes out together as the next one. So a command costs
no connection of its own, and commands that write share one sync of the server's log.
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

# A batch that takes longer than this has lost its server; without a limit it would wait for ever.
TIMEOUT_S = 5.0


class _Sent(NamedTuple):
    packed: bytes
    answer: asyncio.Future[Any]


class Pipe:
    """Commands of many tasks on one connection; opened with the first of them.

    Args:
        connection: decodes replies; belongs to the pipe from now on.
        timeout_s: for a batch.
    """

    def __init__(self, connection: AbstractConnection, timeout_s: float = TIMEOUT_S) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._waiting: deque[_Sent] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def run(self, *command: str | int) -> Any:
        """The reply to a command.

        A command whose connection breaks is sent once more on a new one, as redis-py does.

        Raises:
            RedisError: the server refuses it, or does not answer.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        packed = pack_command(command)  # type: ignore[arg-type]  # its stub says a tuple of one
        self._waiting.append(_Sent(packed, answer))
        if self._worker is None or self._worker.done():
            self._worker = loop.create_task(self._work(), name="redis")
        return await answer

    async def close(self) -> None:
        """Answer what waits, then let go of the connection."""
        if self._worker is not None:
            await asyncio.wait((self._worker,))
        await self._connection.disconnect()

    async def _work(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, deque()
            try:
                await self._exchange(batch)
            except BaseException as error:
                # Nobody may wait for ever, whatever went wrong.
                _refuse(batch, RedisConnectionError(f"{type(error).__name__}: {error}"))
                raise

    async def _exchange(self, batch: deque[_Sent]) -> None:
        """Send and answer a batch; what was answered leaves it."""
        for attempts_left in (1, 0):
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await self._send(batch)
            except TimeoutError:
                error: RedisError = RedisTimeoutError(f"no answer within {self._timeout_s:g} s")
                return _refuse(batch, error)
            except RedisTimeoutError as error:
                return _refuse(batch, error)
            except (RedisError, OSError) as error:
                if not (attempts_left and isinstance(error, RedisConnectionError)):
                    return _refuse(batch, error)

    async def _send(self, batch: deque[_Sent]) -> None:
        text = b"".join(sent.packed for sent in batch)
        await self._connection.send_packed_command(text, check_health=False)
        while batch:
            try:
                # The timeout is around the whole batch.
                reply = await self._connection.read_response(timeout=math.inf)
            except ResponseError as error:
                _settle(batch.popleft().answer, error)
            else:
                _settle(batch.popleft().answer, reply)


def _settle(answer: asyncio.Future[Any], reply: Any) -> None:
    if answer.done():  # its task was canceled
        return
    if isinstance(reply, Exception):
        answer.set_exception(reply)
    else:
        answer.set_result(reply)


def _refuse(batch: deque[_Sent], error: Exception) -> None:
    while batch:
        _settle(batch.popleft().answer, error)
