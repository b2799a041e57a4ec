"""A connection shared by many tasks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.contract.job import JobInputs
from service.contract.params import JobParams
from service.stores.job_store import commands
from service.stores.job_store.connection import SharedConnection
from service.stores.job_store.store import AsyncJobStore
from tests.servers import free_port


@asynccontextmanager
async def pipe_to(
    url: str, timeout_s: float = 5.0
) -> AsyncIterator[tuple[SharedConnection, Redis]]:
    """Return a shared connection, and another client of the same server."""
    redis = Redis.from_url(url, decode_responses=True)
    connection = redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
    pipe = SharedConnection(connection, timeout_s)
    try:
        yield pipe, redis
    finally:
        await pipe.close()
        await redis.aclose()


def run(
    url: str, work: Callable[[SharedConnection, Redis], Awaitable[None]], timeout_s: float = 5.0
) -> None:
    async def main() -> None:
        async with pipe_to(url, timeout_s) as (pipe, redis):
            await work(pipe, redis)

    asyncio.run(main())


def test_each_task_gets_its_own_reply(redis_url: str) -> None:
    async def work(pipe: SharedConnection, redis: Redis) -> None:
        replies = await asyncio.gather(*(pipe.run("ECHO", f"word {n}") for n in range(500)))
        assert replies == [f"word {n}" for n in range(500)]
        assert [client["cmd"] for client in await redis.client_list()].count("echo") == 1

    run(redis_url, work)


def test_error_reply_affects_only_its_command(redis_url: str) -> None:
    async def work(pipe: SharedConnection, _: Redis) -> None:
        commands = (("SET", "a", 1), ("LPUSH", "a", 2), ("GET", "a"))
        replies = await asyncio.gather(*(pipe.run(*c) for c in commands), return_exceptions=True)
        assert isinstance(replies[1], ResponseError)
        assert [replies[0], replies[2]] == ["OK", "1"]

    run(redis_url, work)


def test_canceled_task_does_not_shift_replies(redis_url: str) -> None:
    async def work(pipe: SharedConnection, _: Redis) -> None:
        tasks = [asyncio.create_task(pipe.run("ECHO", str(n))) for n in range(10)]
        await asyncio.sleep(0)
        tasks[3].cancel()
        replies = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(replies.pop(3), asyncio.CancelledError)
        assert replies == [str(n) for n in range(10) if n != 3]

    run(redis_url, work)


def test_broken_connection_is_reopened(redis_url: str) -> None:
    async def work(pipe: SharedConnection, redis: Redis) -> None:
        for _ in range(3):
            await pipe.run("INCR", "n")
            mine = await redis.client_id()
            for client in await redis.client_list():
                if int(client["id"]) != mine:
                    await redis.client_kill_filter(_id=client["id"])
        assert await pipe.run("GET", "n") == "3"

    run(redis_url, work)


def test_silent_server_causes_timeout() -> None:
    async def main() -> None:
        async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        port = free_port()
        async with await asyncio.start_server(swallow, "127.0.0.1", port):
            async with pipe_to(f"redis://127.0.0.1:{port}/0", 0.2) as (pipe, _):
                replies = await asyncio.gather(
                    *(pipe.run("PING") for _ in range(3)), return_exceptions=True
                )
                assert [type(reply) for reply in replies] == [RedisTimeoutError] * 3

    asyncio.run(main())


def test_missing_server_raises_connection_error(unused_url: str) -> None:
    async def work(pipe: SharedConnection, _: Redis) -> None:
        for _n in range(2):
            with pytest.raises(RedisConnectionError):
                await pipe.run("PING")

    run(unused_url, work)


def test_scripts_are_sent_again_after_script_flush(redis_url: str) -> None:
    async def main() -> None:
        jobs = AsyncJobStore.connect(redis_url)
        inputs = JobInputs.model_validate({"driving": "jobs/a/d.mp4", "driving_kind": "video"})
        await jobs.run(commands.create("a", JobParams(), inputs))
        await jobs.redis.script_flush()
        snapshot = await jobs.run(commands.read("a"))
        assert snapshot is not None
        await jobs.close()

    asyncio.run(main())
