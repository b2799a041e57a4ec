"""A client of the service, for programs and for the command line."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
from pydantic import ValidationError

from service.api.views import JobList, JobView
from service.contract.job import Output
from service.contract.params import JobParams
from service.errors import ProblemError, UnreachableError

DEFAULT_URL = "http://127.0.0.1:8000"
# Sending a big video takes a while; a service that says nothing at all for this long is gone.
TIMEOUT = httpx.Timeout(60.0, connect=5.0)
POLL_S = 0.5


class Client:
    """Talks to one service.

    Args:
        url: where the gateway listens.
        pause: waits so many seconds.

    Every method raises ProblemError when the service refuses, UnreachableError without a service.
    """

    def __init__(
        self, url: str = DEFAULT_URL, *, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._http = httpx.Client(base_url=url, timeout=TIMEOUT, follow_redirects=True)
        self._pause = pause

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def submit(self, image: Path, driving: Path, params: JobParams | None = None) -> JobView:
        """Queue a job. The files are streamed. Raises OSError when one cannot be read."""
        text = (params or JobParams()).model_dump_json(exclude_none=True)
        with open(image, "rb") as picture, open(driving, "rb") as motion:
            files: dict[str, Any] = {
                "params": (None, text, "application/json"),
                "image": (image.name, picture),
                "driving": (driving.name, motion),
            }
            return self._job("POST", "/animate", files=files)

    def job(self, job_id: str) -> JobView:
        """The job as it stands."""
        return self._job("GET", f"/jobs/{job_id}")

    def jobs(self, limit: int = 50) -> list[JobView]:
        """The newest jobs."""
        with self._answer("GET", "/jobs", params={"limit": limit}) as answer:
            return JobList.model_validate_json(answer.read()).jobs

    def cancel(self, job_id: str) -> JobView:
        """Ask the job to stop."""
        return self._job("POST", f"/jobs/{job_id}/cancel")

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
        with self._answer("GET", f"/jobs/{job_id}/{output}") as answer:
            with open(partial, "wb") as stream:
                for chunk in answer.iter_bytes():
                    stream.write(chunk)
        os.replace(partial, file)

    def is_ready(self, timeout_s: float = 2.0) -> bool:
        """Whether the service is there and does its work, and says so in time."""
        try:
            with self._answer("GET", "/readyz", timeout=timeout_s):
                return True
        except (ProblemError, UnreachableError):
            return False

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def _job(self, method: str, path: str, **content: Any) -> JobView:
        with self._answer(method, path, **content) as answer:
            try:
                return JobView.model_validate_json(answer.read())
            except ValidationError as error:
                raise self._stranger(error) from error

    @contextmanager
    def _answer(self, method: str, path: str, **content: Any) -> Iterator[httpx.Response]:
        try:
            with self._http.stream(method, path, **content) as answer:
                if answer.is_error:
                    answer.read()
                    raise _problem(answer)
                yield answer
        except httpx.HTTPError as error:
            raise UnreachableError(
                f"no answer from {self._http.base_url}: {error or type(error).__name__}"
            ) from error

    def _stranger(self, error: Exception) -> UnreachableError:
        return UnreachableError(f"what answers at {self._http.base_url} is not tcan: {error}")


def _problem(answer: httpx.Response) -> ProblemError:
    try:
        body = answer.json()
        return ProblemError(answer.status_code, str(body["code"]), str(body["detail"]))
    except (ValueError, KeyError, TypeError):
        return ProblemError(answer.status_code, "http", f"HTTP {answer.status_code}")
