"""The awaited client; its methods are those of `service.client.sync.Client`."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import anyio
import httpx

from service.api.deliveries_view import DeliveryList, DeliveryView, Secrets
from service.api.uploads_view import UploadView
from service.api.views import JobList, JobView
from service.client import messages
from service.client.messages import (
    DEFAULT_URL,
    POLL_S,
    RETRIES,
    TIMEOUT,
    UPLOAD_ABOVE_BYTES,
    Retries,
    Source,
)
from service.contract.job import Output
from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.states import JobState
from service.errors import JobEndedError, ProblemError, UnreachableError

Content = AbstractContextManager[dict[str, Any]]


class AsyncClient:
    """Talks to one service; see `service.client.sync.Client` for arguments and errors."""

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        pause: Callable[[float], Awaitable[None]] = anyio.sleep,
        retries: Retries = RETRIES,
        upload_above_bytes: int = UPLOAD_ABOVE_BYTES,
    ) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=TIMEOUT, follow_redirects=True)
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
        """Make a job, wait for its end, and write its result to `out`."""
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
        """Queue a job."""
        inputs = {"image": image, "driving": driving}
        return await self._submit("/animate", inputs, params, options, idempotency_key)

    async def poses(
        self,
        driving: Source,
        *,
        options: JobOptions | None = None,
        idempotency_key: str | None = None,
    ) -> JobView:
        """Queue a preview of a driver's poses."""
        return await self._submit("/poses", {"driving": driving}, None, options, idempotency_key)

    async def upload(self, file: Path) -> str:
        """Send a file to the object store; its id."""
        wish = {"max_bytes": max(1, file.stat().st_size)}
        form = messages.read(UploadView, await self._answer("POST", "/uploads", json=wish))
        with open(file, "rb") as stream:
            content = {"data": form.fields, "files": {"file": (file.name, stream)}}
            async with self._once("POST", form.url, **content):
                return form.id

    async def job(self, job_id: str) -> JobView:
        """The job as it stands."""
        return messages.read(JobView, await self._answer("GET", f"/jobs/{job_id}"))

    async def jobs(
        self,
        limit: int = 50,
        states: tuple[JobState, ...] = (),
        *,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> list[JobView]:
        """The newest jobs, at most `limit`; of these states and times alone."""
        query = messages.filters(min(limit, 200), states, created_after, created_before)
        found: list[JobView] = []
        address: str | None = "/jobs"
        while address is not None and len(found) < limit:
            page = messages.read(JobList, await self._answer("GET", address, params=query or None))
            found += page.jobs
            address, query = page.next, {}
        return found[:limit]

    async def cancel(self, job_id: str) -> JobView:
        """Ask the job to stop."""
        return messages.read(JobView, await self._answer("POST", f"/jobs/{job_id}/cancel"))

    async def erase(self, job_id: str) -> None:
        """Erase an ended job and its results."""
        await self._answer("DELETE", f"/jobs/{job_id}")

    async def deliveries(self, job_id: str) -> list[DeliveryView]:
        """The messages to the job's webhook, with every attempt."""
        answer = await self._answer("GET", f"/jobs/{job_id}/deliveries")
        return messages.read(DeliveryList, answer).deliveries

    async def redeliver(self, job_id: str, n: int) -> DeliveryView:
        """Send one of them once more."""
        answer = await self._answer("POST", f"/jobs/{job_id}/deliveries/{n}/redeliver")
        return messages.read(DeliveryView, answer)

    async def webhook_secrets(self) -> Secrets:
        """What verifies webhooks."""
        return messages.read(Secrets, await self._answer("GET", "/webhooks/secret"))

    async def wait(
        self, job_id: str, on_update: Callable[[JobView], None] = lambda job: None
    ) -> JobView:
        """Look at the job until it has ended."""
        while True:
            job = await self.job(job_id)
            on_update(job)
            if job.status.is_terminal:
                return job
            await self._pause(POLL_S)

    async def download(self, job_id: str, file: Path, output: Output = Output.RESULT) -> None:
        """Write one of the job's outputs to a file, whole or not at all."""
        partial = file.with_name(f".{file.name}.part")
        async with self._once("GET", f"/jobs/{job_id}/{output}") as answer:
            with open(partial, "wb") as stream:
                async for chunk in answer.aiter_bytes():
                    stream.write(chunk)
        os.replace(partial, file)

    async def is_ready(self, timeout_s: float = 2.0) -> bool:
        """Whether the service is there and does its work, and says so in time."""
        try:
            async with self._once("GET", "/readyz", timeout=timeout_s):
                return True
        except (ProblemError, UnreachableError):
            return False

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def _submit(
        self,
        path: str,
        inputs: dict[str, Source],
        params: JobParams | None,
        options: JobOptions | None,
        key: str | None,
    ) -> JobView:
        big = messages.to_be_uploaded(inputs, self._upload_above_bytes)
        uploads = {name: await self.upload(file) for name, file in big.items()}
        made = messages.submission(path, inputs, uploads, params, options, key)
        return messages.read(
            JobView, await self._answer("POST", path, made.content, headers=made.headers)
        )

    async def _answer(
        self,
        method: str,
        path: str,
        content: Callable[[], Content] = lambda: nullcontext({}),
        **more: Any,
    ) -> httpx.Response:
        """The whole answer, after as many tries as it takes."""
        done = 0
        while True:
            answer, error = None, None
            try:
                with content() as body:
                    answer = await self._http.request(method, path, **body, **more)
            except httpx.HTTPError as caught:
                error = caught
            done += 1
            if answer is not None and not answer.is_error:
                return answer
            pause_s = self._retries.pause_s(done, answer)
            if pause_s is None:
                raise messages.refusal(self._http.base_url, answer, error)
            await self._pause(pause_s)

    @asynccontextmanager
    async def _once(self, method: str, path: str, **content: Any) -> AsyncIterator[httpx.Response]:
        """The beginning of an answer, of which the rest is streamed; one try."""
        try:
            async with self._http.stream(method, path, **content) as answer:
                if answer.is_error:
                    await answer.aread()
                    raise messages.problem(answer)
                yield answer
        except httpx.HTTPError as error:
            raise messages.silence(self._http.base_url, error) from error
