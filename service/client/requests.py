"""Requests to the service and the parsing of its responses; used by both clients."""

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
from service.contract.states import JobState
from service.contract.views import UploadView

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
Content = AbstractContextManager[dict[str, Any]]

DEFAULT_URL = "http://127.0.0.1:8000"
# Sending a big video takes a while; a service that sends nothing for this long is unreachable.
TIMEOUT = httpx.Timeout(60.0, connect=5.0)
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


def parse(model: type[M]) -> Callable[[httpx.Response], M]:
    """Return a parser of responses; it raises UnreachableError if one is not from this service."""

    def read(response: httpx.Response) -> M:
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            raise UnreachableError(f"the server at {response.url} is not tcan: {error}") from error

    return read


def jobs_path(
    limit: int, states: tuple[JobState, ...], after: datetime | None, before: datetime | None
) -> str:
    """Return the path and query of the first page of a list of jobs."""
    query = {"limit": min(limit, MAX_PAGE_SIZE), "status": [state.value for state in states]}
    times = {"created_after": after, "created_before": before}
    query |= {name: time.isoformat() for name, time in times.items() if time is not None}
    return str(httpx.URL("/jobs", params=query))


def request_form(file: Path) -> Request[UploadView]:
    """Request a signed upload form for a file."""
    body = {"json": {"max_bytes": max(1, file.stat().st_size)}}
    return Request("POST", "/uploads", parse(UploadView), lambda: nullcontext(body))


def send_form(form: UploadView, file: Path) -> Request[str]:
    """Upload the file by its form and return the upload's id."""

    @contextmanager
    def content() -> Iterator[dict[str, Any]]:
        with open(file, "rb") as stream:
            yield {"data": form.fields, "files": {"file": (file.name, stream)}}

    return Request("POST", form.url, lambda response: form.id, content)
