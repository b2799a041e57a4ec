"""Requests, downloads and event streams, with retries, generated from aio: do not edit."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator
from math import inf
from pathlib import Path
from typing import TypeVar

import httpx

from tcan_client.auth import key_auth
from tcan_client.events import Event, EventReader
from tcan_client.requests import CONNECT_TIMEOUT_S, Request
from tcan_client.retries import Outcome, Retries, RetryState

T = TypeVar("T")
Pause = Callable[[float], None]
SLEEP: Pause = time.sleep


class Transport:
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
        self._http = httpx.Client(
            base_url=url,
            timeout=httpx.Timeout(timeout, connect=min(timeout or inf, CONNECT_TIMEOUT_S)),
            follow_redirects=True,
            auth=key_auth(url, api_key),
        )
        self.pause = pause
        self._retries = retries

    def run(self, request: Request[T]) -> T:
        """Send a request, with retries, and return its parsed response."""
        retry_state = RetryState(self._retries, self._http.base_url)
        while True:
            outcome: Outcome
            try:
                with request.content() as content:
                    outcome = self._http.request(request.method, request.path, **content)
                if not outcome.is_error:
                    return request.read(outcome)
            except httpx.HTTPError as error:
                outcome = error
            self.pause(retry_state.pause_s(outcome))

    def download(self, path: str, file: Path) -> None:
        """Write the content of a path to a file; without an error all of it, else nothing."""
        partial = file.with_name(f".{file.name}.part")
        retry_state = RetryState(self._retries, self._http.base_url)
        try:
            while not isinstance(outcome := self._fetch(path, partial), Path):
                self.pause(retry_state.pause_s(outcome))
            os.replace(partial, file)
        finally:
            partial.unlink(missing_ok=True)

    def follow(self, job_id: str, seen: int) -> Generator[Event | None, None, None]:
        """Yield the job's events after `seen`, and None for each keep-alive."""
        reader = EventReader(job_id, seen, self._retries, self._http.base_url)
        while not reader.ended:
            outcome: Outcome
            try:
                with self._http.stream(**reader.request()) as outcome:
                    if not reader.accept(outcome):
                        outcome.read()
                    else:
                        for chunk in outcome.iter_bytes():
                            yield from reader.read(chunk)
            except httpx.HTTPError as error:
                outcome = error
            if not reader.ended:
                self.pause(reader.retry_state.pause_s(outcome))

    def answers(self, path: str, timeout_s: float) -> bool:
        """Return whether the path is answered without an error within the timeout."""
        try:
            return not (self._http.get(path, timeout=timeout_s)).is_error
        except httpx.HTTPError:
            return False

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _fetch(self, path: str, file: Path) -> Path | Outcome:
        """Write the content to the file; return the file, or the failed attempt."""
        try:
            with self._http.stream("GET", path) as response:
                if response.is_error:
                    response.read()
                    return response
                with open(file, "wb") as stream:
                    for chunk in response.iter_bytes():
                        stream.write(chunk)
                return file
        except httpx.HTTPError as error:
            return error
