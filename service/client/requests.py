"""Descriptions of the requests, shared by both clients.

A `Request` has what is sent and how the response is read; `Client` and `AsyncClient` send it, with
retries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from service.client.errors import UnreachableError
from service.client.submission import Submission
from service.contract.delivery_views import DeliveryList, DeliveryView, Secrets
from service.contract.states import JobState
from service.contract.upload_views import UploadView
from service.contract.views import JobList, JobView

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
Content = AbstractContextManager[dict[str, Any]]

MAX_PAGE_SIZE = 200


@dataclass(frozen=True)
class Request(Generic[T]):
    """A request and how to read its response.

    Attributes:
        read: parses a successful response.
        content: opens the httpx keyword arguments of one attempt; files are open meanwhile.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    content: Callable[[], Content] = lambda: nullcontext({})


def job(job_id: str) -> Request[JobView]:
    """Read a job."""
    return Request("GET", f"/jobs/{job_id}", _parse(JobView))


def cancel(job_id: str) -> Request[JobView]:
    """Ask the job to stop."""
    return Request("POST", f"/jobs/{job_id}/cancel", _parse(JobView))


def erase(job_id: str) -> Request[None]:
    """Erase an ended job."""
    return Request("DELETE", f"/jobs/{job_id}", lambda response: None)


def deliveries(job_id: str) -> Request[list[DeliveryView]]:
    """List the messages to the job's webhook."""
    path = f"/jobs/{job_id}/deliveries"
    return Request("GET", path, lambda response: read(DeliveryList, response).deliveries)


def redeliver(job_id: str, n: int) -> Request[DeliveryView]:
    """Send a webhook message again."""
    return Request("POST", f"/jobs/{job_id}/deliveries/{n}/redeliver", _parse(DeliveryView))


def webhook_secrets() -> Request[Secrets]:
    """Read the secrets that verify webhooks."""
    return Request("GET", "/webhooks/secret", _parse(Secrets))


def submit(submission: Submission) -> Request[JobView]:
    """Submit a job; its idempotency key makes retries safe."""
    return Request("POST", submission.path, _parse(JobView), submission.content)


def request_form(file: Path) -> Request[UploadView]:
    """Request a signed upload form for a file."""
    body = {"json": {"max_bytes": max(1, file.stat().st_size)}}
    return Request("POST", "/uploads", _parse(UploadView), lambda: nullcontext(body))


def send_form(form: UploadView, file: Path) -> Request[str]:
    """Upload the file by its form and return the upload's id."""

    @contextmanager
    def content() -> Iterator[dict[str, Any]]:
        with open(file, "rb") as stream:
            yield {"data": form.fields, "files": {"file": (file.name, stream)}}

    return Request("POST", form.url, lambda response: form.id, content)


class JobPages:
    """Collects the newest jobs, at most `limit`, page by page.

    Attributes:
        next: the request of the next page; None when done.
    """

    def __init__(
        self,
        limit: int,
        states: tuple[JobState, ...],
        after: datetime | None,
        before: datetime | None,
    ) -> None:
        query = {"limit": min(limit, MAX_PAGE_SIZE), "status": [state.value for state in states]}
        times = {"created_after": after, "created_before": before}
        query |= {name: time.isoformat() for name, time in times.items() if time is not None}
        self._limit = limit
        self._found: list[JobView] = []
        self.next = _page("/jobs", {"params": query}) if limit > 0 else None

    def add(self, page: JobList) -> None:
        """Add the response to `next`."""
        self._found += page.jobs
        more = page.next is not None and len(self._found) < self._limit
        self.next = _page(page.next, {}) if more and page.next is not None else None

    @property
    def jobs(self) -> list[JobView]:
        """The jobs of the pages added so far."""
        return self._found[: self._limit]


def read(model: type[M], response: httpx.Response) -> M:
    """Parse a response. Raises UnreachableError when it is not from this service."""
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        raise UnreachableError(f"the server at {response.url} is not tcan: {error}") from error


def _parse(model: type[M]) -> Callable[[httpx.Response], M]:
    return lambda response: read(model, response)


def _page(url: str, keywords: dict[str, Any]) -> Request[JobList]:
    return Request("GET", url, _parse(JobList), lambda: nullcontext(keywords))
