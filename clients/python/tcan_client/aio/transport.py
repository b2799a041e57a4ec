"""Requests, downloads and event streams, with retries."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from math import inf
from pathlib import Path
from typing import TypeVar

import anyio
import httpx

from tcan_client.auth import key_auth
from tcan_client.events import Event, EventReader
from tcan_client.requests import CONNECT_TIMEOUT_S, Request
from tcan_client.retries import Outcome, Retries, RetryState

T = TypeVar("T")
Pause = Callable[[float], Awaitable[None]]
SLEEP: Pause = anyio.sleep


class AsyncTransport:
    """Connections to one service.

    Args:
        url: the service's URL.
        api_key: its key; empty for none.
        timeout: seconds without an answer after which an attempt fails; None waits for ever.
        pause: sleeps for some seconds.
        retries: limits on retries.
    """

    def __init__(
        self, url: str, api_key: str, timeout: float | None, pause: Pause, retries: Retries
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=url,
            timeout=httpx.Timeout(timeout, connect=min(timeout or inf, CONNECT_TIMEOUT_S)),
            follow_redirects=True,
            auth=key_auth(url, api_key),
        )
        self.pause = pause
        self._retries = retries

    async def run(self, request: Request[T]) -> T:
        """Send a request, with retries, and return its parsed response."""
        retry_state = RetryState(self._retries, self._http.base_url)
        while True:
            outcome: Outcome
            try:
                with request.content() as content:
                    outcome = await self._http.request(request.method, request.path, **content)
                if not outcome.is_error:
                    return request.read(outcome)
            except httpx.HTTPError as error:
                outcome = error
            await self.pause(retry_state.pause_s(outcome))

    async def download(self, path: str, file: Path) -> None:
        """Write the content of a path to a file; without an error all of it, else nothing."""
        partial = file.with_name(f".{file.name}.part")
        retry_state = RetryState(self._retries, self._http.base_url)
        try:
            while not isinstance(outcome := await self._fetch(path, partial), Path):
                await self.pause(retry_state.pause_s(outcome))
            os.replace(partial, file)
        finally:
            partial.unlink(missing_ok=True)

    async def follow(self, job_id: str, seen: int) -> AsyncGenerator[Event | None, None]:
        """Yield the job's events after `seen`, and None for each keep-alive."""
        reader = EventReader(job_id, seen, self._retries, self._http.base_url)
        while not reader.ended:
            outcome: Outcome
            try:
                async with self._http.stream(**reader.request()) as outcome:
                    if not reader.accept(outcome):
                        await outcome.aread()
                    else:
                        async for chunk in outcome.aiter_bytes():
                            for event in reader.read(chunk):
                                yield event
            except httpx.HTTPError as error:
                outcome = error
            if not reader.ended:
                await self.pause(reader.retry_state.pause_s(outcome))

    async def answers(self, path: str, timeout_s: float) -> bool:
        """Return whether the path is answered without an error within the timeout."""
        try:
            return not (await self._http.get(path, timeout=timeout_s)).is_error
        except httpx.HTTPError:
            return False

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _fetch(self, path: str, file: Path) -> Path | Outcome:
        """Write the content to the file; return the file, or the failed attempt."""
        try:
            async with self._http.stream("GET", path) as response:
                if response.is_error:
                    await response.aread()
                    return response
                with open(file, "wb") as stream:
                    async for chunk in response.aiter_bytes():
                        stream.write(chunk)
                return file
        except httpx.HTTPError as error:
            return error
