"""What the two clients ask for: each request described once, without sending it.

A `Request` says what goes out and how its answer is read; `Client` sends it blocking, `AsyncClient`
awaited, and both as often as it takes.
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

from service.client.submission import Submission
from service.contract.delivery_views import DeliveryList, DeliveryView, Secrets
from service.contract.states import JobState
from service.contract.upload_views import UploadView
from service.contract.views import JobList, JobView
from service.errors import UnreachableError

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
Content = AbstractContextManager[dict[str, Any]]

MOST_ON_A_PAGE = 200


@dataclass(frozen=True)
class Request(Generic[T]):
    """A request and how to read its answer.

    Attributes:
        read: the result of an answer that is no error.
        content: keywords of httpx for one try, with files open for as long.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    content: Callable[[], Content] = lambda: nullcontext({})


def job(job_id: str) -> Request[JobView]:
    """The job as it stands."""
    return Request("GET", f"/jobs/{job_id}", _reads(JobView))


def cancel(job_id: str) -> Request[JobView]:
    """Ask the job to stop."""
    return Request("POST", f"/jobs/{job_id}/cancel", _reads(JobView))


def erase(job_id: str) -> Request[None]:
    """Erase an ended job."""
    return Request("DELETE", f"/jobs/{job_id}", lambda answer: None)


def deliveries(job_id: str) -> Request[list[DeliveryView]]:
    """The messages to the job's webhook."""
    path = f"/jobs/{job_id}/deliveries"
    return Request("GET", path, lambda answer: read(DeliveryList, answer).deliveries)


def redeliver(job_id: str, n: int) -> Request[DeliveryView]:
    """Send one of them once more."""
    return Request("POST", f"/jobs/{job_id}/deliveries/{n}/redeliver", _reads(DeliveryView))


def webhook_secrets() -> Request[Secrets]:
    """What verifies webhooks."""
    return Request("GET", "/webhooks/secret", _reads(Secrets))


def submit(submission: Submission) -> Request[JobView]:
    """Make a job; sent twice, it makes one."""
    return Request("POST", submission.path, _reads(JobView), submission.content)


def form_for(file: Path) -> Request[UploadView]:
    """A signed form for a file of this size."""
    wish = {"json": {"max_bytes": max(1, file.stat().st_size)}}
    return Request("POST", "/uploads", _reads(UploadView), lambda: nullcontext(wish))


def fill_in(form: UploadView, file: Path) -> Request[str]:
    """Send the file by its form; the upload's id."""

    @contextmanager
    def content() -> Iterator[dict[str, Any]]:
        with open(file, "rb") as stream:
            yield {"data": form.fields, "files": {"file": (file.name, stream)}}

    return Request("POST", form.url, lambda answer: form.id, content)


class Listing:
    """The newest jobs, at most `limit`, collected page by page.

    Attributes:
        next: the request of the next page; None when there is no need of one.
    """

    def __init__(
        self,
        limit: int,
        states: tuple[JobState, ...],
        after: datetime | None,
        before: datetime | None,
    ) -> None:
        query = {"limit": min(limit, MOST_ON_A_PAGE), "status": [state.value for state in states]}
        times = {"created_after": after, "created_before": before}
        query |= {name: time.isoformat() for name, time in times.items() if time is not None}
        self._limit = limit
        self._found: list[JobView] = []
        self.next = _page("/jobs", {"params": query}) if limit > 0 else None

    def take(self, page: JobList) -> None:
        """Add the page that was asked for."""
        self._found += page.jobs
        more = page.next is not None and len(self._found) < self._limit
        self.next = _page(page.next, {}) if more and page.next is not None else None

    @property
    def jobs(self) -> list[JobView]:
        """What was found."""
        return self._found[: self._limit]


def read(model: type[M], answer: httpx.Response) -> M:
    """The model in an answer. Raises UnreachableError when something else answers there."""
    try:
        return model.model_validate_json(answer.content)
    except ValidationError as error:
        raise UnreachableError(f"what answers at {answer.url} is not tcan: {error}") from error


def _reads(model: type[M]) -> Callable[[httpx.Response], M]:
    return lambda answer: read(model, answer)


def _page(address: str, keywords: dict[str, Any]) -> Request[JobList]:
    return Request("GET", address, _reads(JobList), lambda: nullcontext(keywords))
