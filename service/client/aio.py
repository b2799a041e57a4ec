"""The async client."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Self, TypeVar
from uuid import uuid4

import anyio
import httpx

from service.client import requests
from service.client.auth import key_auth
from service.client.errors import JobEndedError, ProblemError, UnreachableError
from service.client.requests import DEFAULT_URL, TIMEOUT, Request, parse
from service.client.retries import POLL_S, RETRIES, Outcome, Retries, RetryState
from service.client.stream import Event, EventReader
from service.client.submission import UPLOAD_ABOVE_BYTES, Source, Submission
from service.contract.delivery_views import DeliveryList, DeliveryView, Secrets
from service.contract.job import Output
from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.states import JobState
from service.contract.views import JobList, JobView

T = TypeVar("T")


class AsyncClient:
    """A client of one service.

    Args:
        url: the gateway's URL.
        api_key: key of `tcan keys create`; sent to the service only, never to an object store.
        pause: sleeps for some seconds.
        retries: limits on retries.
        upload_above_bytes: larger files are uploaded to the object store by a signed form.

    Every method raises ProblemError when the service refuses the request, and UnreachableError when
    it does not answer.
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
        """Submit a job, wait for its end, and write its result to `out`.

        Raises:
            JobEndedError: the job failed or was canceled.
        """
        submitted = await self.submit(image, driving, params, options=options)
        job = await self.wait(submitted.id, on_update)
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
        """Submit a job. Files are streamed; big ones go directly to the object store.

        Args:
            idempotency_key: requests with the same key create one job; random when absent, which
                makes the retries of this call safe.

        Raises:
            OSError: a file cannot be read.
        """
        inputs, key = {"image": image, "driving": driving}, idempotency_key or uuid4().hex
        return await self._submit(Submission("/animate", inputs, params, options, key))

    async def poses(
        self,
        driving: Source,
        *,
        options: JobOptions | None = None,
        idempotency_key: str | None = None,
    ) -> JobView:
        """Submit a pose preview of a driving video; its outputs are `pose` and `keypoints`."""
        inputs, key = {"driving": driving}, idempotency_key or uuid4().hex
        return await self._submit(Submission("/poses", inputs, None, options, key))

    async def upload(self, file: Path) -> str:
        """Upload a file to the object store and return its id, valid for a day."""
        form = await self._run(requests.request_form(file))
        return await self._run(requests.send_form(form, file))

    async def job(self, job_id: str) -> JobView:
        """Read a job."""
        return await self._run(Request("GET", f"/jobs/{job_id}", parse(JobView)))

    async def jobs(
        self,
        limit: int = 50,
        states: tuple[JobState, ...] = (),
        *,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> list[JobView]:
        """List the newest jobs, at most `limit`, filtered by state and time."""
        path: str | None = requests.jobs_path(limit, states, created_after, created_before)
        jobs: list[JobView] = []
        while path is not None and len(jobs) < limit:
            page = await self._run(Request("GET", path, parse(JobList)))
            jobs += page.jobs
            path = page.next
        return jobs[:limit]

    async def cancel(self, job_id: str) -> JobView:
        """Ask the job to stop."""
        return await self._run(Request("POST", f"/jobs/{job_id}/cancel", parse(JobView)))

    async def erase(self, job_id: str) -> None:
        """Erase an ended job and its results."""
        await self._run(Request("DELETE", f"/jobs/{job_id}", lambda response: None))

    async def deliveries(self, job_id: str) -> list[DeliveryView]:
        """List the messages to the job's webhook, with every attempt."""
        path = f"/jobs/{job_id}/deliveries"
        return (await self._run(Request("GET", path, parse(DeliveryList)))).deliveries

    async def redeliver(self, job_id: str, n: int) -> DeliveryView:
        """Send a webhook message again."""
        path = f"/jobs/{job_id}/deliveries/{n}/redeliver"
        return await self._run(Request("POST", path, parse(DeliveryView)))

    async def webhook_secrets(self) -> Secrets:
        """Read the secrets that verify webhooks."""
        return await self._run(Request("GET", "/webhooks/secret", parse(Secrets)))

    async def events(
        self, job_id: str, last_event_id: int | None = None
    ) -> AsyncGenerator[Event, None]:
        """Yield every change of the job until it ends, each exactly once.

        A broken connection is reopened with growing pauses, after the last event.

        Args:
            last_event_id: start after this event; at the job's first when absent.

        Raises:
            UnreachableError: the service does not answer, or a proxy blocks event streams.
        """
        async with aclosing(self._follow(job_id, last_event_id or 0)) as found:
            async for event in found:
                if event is not None:
                    yield event

    async def wait(
        self, job_id: str, on_update: Callable[[JobView], None] = lambda job: None
    ) -> JobView:
        """Wait for the job's end; `on_update` is called with each change.

        A queued job is polled, since its position changes without an event. A running job is
        followed by its events, or polled if event streams are blocked.
        """
        use_events = True
        while True:
            job = await self.job(job_id)
            on_update(job)
            if job.status.is_terminal:
                return job
            if use_events and job.status.is_leased:
                use_events = await self._follow_work(job, on_update)
            else:
                await self._pause(POLL_S)

    async def download(self, job_id: str, file: Path, output: Output = Output.RESULT) -> None:
        """Write one of the job's outputs to a file atomically."""
        partial = file.with_name(f".{file.name}.part")
        retry_state = RetryState(self._retries, self._http.base_url)
        while not isinstance(outcome := await self._fetch(job_id, output, partial), Path):
            await self._pause(retry_state.pause_s(outcome))
        os.replace(partial, file)

    async def is_ready(self, timeout_s: float = 2.0) -> bool:
        """Return whether the service reports readiness within the timeout."""
        try:
            return not (await self._http.get("/readyz", timeout=timeout_s)).is_error
        except httpx.HTTPError:
            return False

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _submit(self, submission: Submission) -> JobView:
        files = submission.to_upload(self._upload_above_bytes)
        uploads = {name: await self.upload(file) for name, file in files.items()}
        sent = submission.uploaded(uploads)
        return await self._run(Request("POST", sent.path, parse(JobView), sent.content))

    async def _run(self, request: Request[T]) -> T:
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
            await self._pause(retry_state.pause_s(outcome))

    async def _fetch(self, job_id: str, output: Output, file: Path) -> Path | Outcome:
        """Write an output to the file; return the file, or the failed attempt."""
        try:
            async with self._http.stream("GET", f"/jobs/{job_id}/{output}") as response:
                if response.is_error:
                    await response.aread()
                    return response
                with open(file, "wb") as stream:
                    async for chunk in response.aiter_bytes():
                        stream.write(chunk)
                return file
        except httpx.HTTPError as error:
            return error

    async def _follow(self, job_id: str, seen: int) -> AsyncGenerator[Event | None, None]:
        """Yield the events after `seen`, and None for each keep-alive."""
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
                await self._pause(reader.retry_state.pause_s(outcome))

    async def _follow_work(self, job: JobView, on_update: Callable[[JobView], None]) -> bool:
        """Call `on_update` with a running job's events; return False if streams are blocked."""
        try:
            async with aclosing(self._follow(job.id, job.version)) as found:
                async for event in found:
                    if event is None or not event.job.status.is_leased:
                        break
                    on_update(event.job)
        except (ProblemError, UnreachableError):
            return False
        return True
