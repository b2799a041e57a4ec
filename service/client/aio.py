"""The awaited client; its methods are those of `service.client.sync.Client`."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Self, TypeVar

import anyio
import httpx

from service.client import requests
from service.client.auth import key_auth
from service.client.defaults import DEFAULT_URL, POLL_S, TIMEOUT, UPLOAD_ABOVE_BYTES
from service.client.requests import Listing, Request
from service.client.retries import RETRIES, Outcome, Patience, Retries
from service.client.stream import Event, Following
from service.client.submission import Source, Submission
from service.contract.delivery_views import DeliveryView, Secrets
from service.contract.job import Output
from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.states import JobState
from service.contract.views import JobView
from service.errors import JobEndedError, ProblemError, UnreachableError

T = TypeVar("T")


class AsyncClient:
    """Talks to one service.

    Args:
        url: where the gateway listens.
        api_key: from `tcan keys create`; sent to the service alone, never to an object store.
        pause: waits so many seconds.
        retries: when the service is busy or does not answer.
        upload_above_bytes: files above this go to the object store by a signed form.

    Every method raises ProblemError when the service refuses, UnreachableError without a service.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        api_key: str | None = None,
        pause: Callable[[float], Awaitable[None]] = anyio.sleep,
        retries: Retries = RETRIES,
        upload_above_bytes: int = UPLOAD_ABOVE_BYTES,
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=url, timeout=TIMEOUT, follow_redirects=True, auth=key_auth(url, api_key)
        )
        self._pause = pause
        self._retries = retries
        self._upload_above_bytes = upload_above_bytes

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.close()

    async def animate(
        self,
        image: Source,
        driving: Source,
        out: Path | None = None,
        *,
        params: JobParams | None = None,
        options: JobOptions | None = None,
        on_update: Callable[[JobView], None] = lambda job: None,
    ) -> JobView:
        """Make a job, wait for its end, and write its result to `out`.

        Raises:
            JobEndedError: it failed or was canceled.
        """
        made = await self.submit(image, driving, params, options=options)
        job = await self.wait(made.id, on_update)
        if job.status is not JobState.SUCCEEDED:
            raise JobEndedError(job.id, job.status, job.error)
        if out is not None:
            await self.download(job.id, out)
        return job

    async def submit(
        self,
        image: Source,
        driving: Source,
        params: JobParams | None = None,
        *,
        options: JobOptions | None = None,
        idempotency_key: str | None = None,
    ) -> JobView:
        """Queue a job. Files are streamed, big ones straight to the object store.

        Args:
            idempotency_key: the same request with the same key makes one job; drawn when absent,
                so that tries of this call do.

        Raises:
            OSError: a file cannot be read.
        """
        inputs = {"image": image, "driving": driving}
        return await self._submit(
            Submission.of("/animate", inputs, params, options, idempotency_key)
        )

    async def poses(
        self,
        driving: Source,
        *,
        options: JobOptions | None = None,
        idempotency_key: str | None = None,
    ) -> JobView:
        """Queue a preview of a driver's poses; it leaves `pose` and `keypoints`."""
        inputs = {"driving": driving}
        return await self._submit(Submission.of("/poses", inputs, None, options, idempotency_key))

    async def upload(self, file: Path) -> str:
        """Send a file to the object store; its id, for a job within a day."""
        return await self._run(requests.fill_in(await self._run(requests.form_for(file)), file))

    async def job(self, job_id: str) -> JobView:
        """The job as it stands."""
        return await self._run(requests.job(job_id))

    async def jobs(
        self,
        limit: int = 50,
        states: tuple[JobState, ...] = (),
        *,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> list[JobView]:
        """The newest jobs, at most `limit`; of these states and times alone."""
        listing = Listing(limit, states, created_after, created_before)
        while listing.next is not None:
            listing.take(await self._run(listing.next))
        return listing.jobs

    async def cancel(self, job_id: str) -> JobView:
        """Ask the job to stop."""
        return await self._run(requests.cancel(job_id))

    async def erase(self, job_id: str) -> None:
        """Erase an ended job and its results."""
        await self._run(requests.erase(job_id))

    async def deliveries(self, job_id: str) -> list[DeliveryView]:
        """The messages to the job's webhook, with every attempt."""
        return await self._run(requests.deliveries(job_id))

    async def redeliver(self, job_id: str, n: int) -> DeliveryView:
        """Send one of them once more."""
        return await self._run(requests.redeliver(job_id, n))

    async def webhook_secrets(self) -> Secrets:
        """What verifies webhooks."""
        return await self._run(requests.webhook_secrets())

    async def events(
        self, job_id: str, last_event_id: int | None = None
    ) -> AsyncGenerator[Event, None]:
        """Every change of the job as it happens, up to its end; none is missed, none comes twice.

        A connection that breaks is made again, later each time, and goes on behind the last event.

        Args:
            last_event_id: begin behind this event; at the job's first when absent.

        Raises:
            UnreachableError: the service stays away, or what lies between lets no events through.
        """
        async with aclosing(self._follow(job_id, last_event_id or 0)) as found:
            async for event in found:
                if event is not None:
                    yield event

    async def wait(
        self, job_id: str, on_update: Callable[[JobView], None] = lambda job: None
    ) -> JobView:
        """Wait for the job's end; `on_update` sees the job as it changes.

        A job that waits is polled, since its place moves without an event. While a worker has it,
        its events tell; where none come through, it is polled as well.
        """
        follows = True
        while True:
            job = await self.job(job_id)
            on_update(job)
            if job.status.is_terminal:
                return job
            if follows and job.status.is_leased:
                follows = await self._follow_work(job, on_update)
            else:
                await self._pause(POLL_S)

    async def download(self, job_id: str, file: Path, output: Output = Output.RESULT) -> None:
        """Write one of the job's outputs to a file, whole or not at all."""
        partial = file.with_name(f".{file.name}.part")
        patience = Patience(self._retries, self._http.base_url)
        while not isinstance(outcome := await self._fetch(job_id, output, partial), Path):
            await self._pause(patience.pause_s(outcome))
        os.replace(partial, file)

    async def is_ready(self, timeout_s: float = 2.0) -> bool:
        """Whether the service is there and does its work, and says so in time."""
        try:
            return not (await self._http.get("/readyz", timeout=timeout_s)).is_error
        except httpx.HTTPError:
            return False

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def _submit(self, made: Submission) -> JobView:
        files = made.to_upload(self._upload_above_bytes)
        uploads = {name: await self.upload(file) for name, file in files.items()}
        return await self._run(requests.submit(made.uploaded(uploads)))

    async def _run(self, request: Request[T]) -> T:
        """What the request comes to, after as many tries as it takes."""
        patience = Patience(self._retries, self._http.base_url)
        while True:
            outcome: Outcome
            try:
                with request.content() as content:
                    outcome = await self._http.request(request.method, request.path, **content)
                if not outcome.is_error:
                    return request.read(outcome)
            except httpx.HTTPError as error:
                outcome = error
            await self._pause(patience.pause_s(outcome))

    async def _fetch(self, job_id: str, output: Output, file: Path) -> Path | Outcome:
        """Write an output to the file; the file, or why not."""
        try:
            async with self._http.stream("GET", f"/jobs/{job_id}/{output}") as answer:
                if answer.is_error:
                    await answer.aread()
                    return answer
                with open(file, "wb") as stream:
                    async for chunk in answer.aiter_bytes():
                        stream.write(chunk)
                return file
        except httpx.HTTPError as error:
            return error

    async def _follow(self, job_id: str, seen: int) -> AsyncGenerator[Event | None, None]:
        """The events behind `seen`, and None whenever the service says that there is nothing."""
        following = Following(job_id, seen, self._retries, self._http.base_url)
        while not following.ended:
            outcome: Outcome
            try:
                async with self._http.stream(**following.request()) as outcome:
                    if not following.opens(outcome):
                        await outcome.aread()
                    else:
                        async for chunk in outcome.aiter_bytes():
                            for event in following.read(chunk):
                                yield event
            except httpx.HTTPError as error:
                outcome = error
            if not following.ended:
                await self._pause(following.pause_s(outcome))

    async def _follow_work(self, job: JobView, on_update: Callable[[JobView], None]) -> bool:
        """Tell of the job's changes while a worker has it; False when no events come through."""
        try:
            async with aclosing(self._follow(job.id, job.version)) as found:
                async for event in found:
                    if event is None or not event.job.status.is_leased:
                        break
                    on_update(event.job)
        except (ProblemError, UnreachableError):
            return False
        return True
