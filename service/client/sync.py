"""The blocking client."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any, Self

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


class Client:
    """Talks to one service.

    Args:
        url: where the gateway listens.
        pause: waits so many seconds.
        retries: when the service is busy or does not answer.
        upload_above_bytes: files above this go to the object store by a signed form.

    Every method raises ProblemError when the service refuses, UnreachableError without a service.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        pause: Callable[[float], None] = time.sleep,
        retries: Retries = RETRIES,
        upload_above_bytes: int = UPLOAD_ABOVE_BYTES,
    ) -> None:
        self._http = httpx.Client(base_url=url, timeout=TIMEOUT, follow_redirects=True)
        self._pause = pause
        self._retries = retries
        self._upload_above_bytes = upload_above_bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def animate(
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
        job = self.wait(self.submit(image, driving, params, options=options).id, on_update)
        if job.status is not JobState.SUCCEEDED:
            raise JobEndedError(job.id, job.status, job.error)
        if out is not None:
            self.download(job.id, out)
        return job

    def submit(
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
        return self._submit("/animate", inputs, params, options, idempotency_key)

    def poses(
        self,
        driving: Source,
        *,
        options: JobOptions | None = None,
        idempotency_key: str | None = None,
    ) -> JobView:
        """Queue a preview of a driver's poses; it leaves `pose` and `keypoints`."""
        return self._submit("/poses", {"driving": driving}, None, options, idempotency_key)

    def upload(self, file: Path) -> str:
        """Send a file to the object store; its id, for a job within a day."""
        wish = {"max_bytes": max(1, file.stat().st_size)}
        form = messages.read(UploadView, self._answer("POST", "/uploads", json=wish))
        with open(file, "rb") as stream:
            content = {"data": form.fields, "files": {"file": (file.name, stream)}}
            with self._once("POST", form.url, **content):
                return form.id

    def job(self, job_id: str) -> JobView:
        """The job as it stands."""
        return self._job("GET", f"/jobs/{job_id}")

    def jobs(
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
            answer = self._answer("GET", address, params=query or None)
            page = messages.read(JobList, answer)
            found += page.jobs
            address, query = page.next, {}
        return found[:limit]

    def cancel(self, job_id: str) -> JobView:
        """Ask the job to stop."""
        return self._job("POST", f"/jobs/{job_id}/cancel")

    def erase(self, job_id: str) -> None:
        """Erase an ended job and its results."""
        self._answer("DELETE", f"/jobs/{job_id}")

    def deliveries(self, job_id: str) -> list[DeliveryView]:
        """The messages to the job's webhook, with every attempt."""
        answer = self._answer("GET", f"/jobs/{job_id}/deliveries")
        return messages.read(DeliveryList, answer).deliveries

    def redeliver(self, job_id: str, n: int) -> DeliveryView:
        """Send one of them once more."""
        answer = self._answer("POST", f"/jobs/{job_id}/deliveries/{n}/redeliver")
        return messages.read(DeliveryView, answer)

    def webhook_secrets(self) -> Secrets:
        """What verifies webhooks."""
        return messages.read(Secrets, self._answer("GET", "/webhooks/secret"))

    def wait(self, job_id: str, on_update: Callable[[JobView], None] = lambda job: None) -> JobView:
        """Look at the job until it has ended; `on_update` sees it each time."""
        while True:
            job = self.job(job_id)
            on_update(job)
            if job.status.is_terminal:
                return job
            self._pause(POLL_S)

    def download(self, job_id: str, file: Path, output: Output = Output.RESULT) -> None:
        """Write one of the job's outputs to a file, whole or not at all."""
        partial = file.with_name(f".{file.name}.part")
        with self._once("GET", f"/jobs/{job_id}/{output}") as answer:
            with open(partial, "wb") as stream:
                for chunk in answer.iter_bytes():
                    stream.write(chunk)
        os.replace(partial, file)

    def is_ready(self, timeout_s: float = 2.0) -> bool:
        """Whether the service is there and does its work, and says so in time."""
        try:
            with self._once("GET", "/readyz", timeout=timeout_s):
                return True
        except (ProblemError, UnreachableError):
            return False

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def _submit(
        self,
        path: str,
        inputs: dict[str, Source],
        params: JobParams | None,
        options: JobOptions | None,
        key: str | None,
    ) -> JobView:
        big = messages.to_be_uploaded(inputs, self._upload_above_bytes)
        uploads = {name: self.upload(file) for name, file in big.items()}
        made = messages.submission(path, inputs, uploads, params, options, key)
        answer = self._answer("POST", path, made.content, headers=made.headers)
        return messages.read(JobView, answer)

    def _job(self, method: str, path: str) -> JobView:
        return messages.read(JobView, self._answer(method, path))

    def _answer(
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
                    answer = self._http.request(method, path, **body, **more)
            except httpx.HTTPError as caught:
                error = caught
            done += 1
            if answer is not None and not answer.is_error:
                return answer
            pause_s = self._retries.pause_s(done, answer)
            if pause_s is None:
                raise messages.refusal(self._http.base_url, answer, error)
            self._pause(pause_s)

    @contextmanager
    def _once(self, method: str, path: str, **content: Any) -> Iterator[httpx.Response]:
        """The beginning of an answer, of which the rest is streamed; one try."""
        try:
            with self._http.stream(method, path, **content) as answer:
                if answer.is_error:
                    answer.read()
                    raise messages.problem(answer)
                yield answer
        except httpx.HTTPError as error:
            raise messages.silence(self._http.base_url, error) from error
