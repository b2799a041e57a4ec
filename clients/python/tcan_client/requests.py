"""Requests to the service and the parsing of its responses; used by both clients."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import httpx
from pydantic import ValidationError

from tcan_client.base import Model
from tcan_client.errors import ClientError, UnreachableError
from tcan_client.models import Job, UploadForm
from tcan_client.sources import File

T = TypeVar("T")
M = TypeVar("M", bound=Model)
Content = AbstractContextManager[dict[str, Any]]

DEFAULT_URL = "http://127.0.0.1:8000"
# Sending a big video takes a while; a service that sends nothing for this long is unreachable.
TIMEOUT_S = 60.0
CONNECT_TIMEOUT_S = 5.0
MAX_PAGE_SIZE = 200
ID = re.compile(r"[A-Za-z0-9_-]+")


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


def service_url(url: str | None) -> str:
    """Return the service's URL: the given one, else TCAN_URL, else one on this machine.

    Raises:
        ClientError: it is no http or https URL.
    """
    chosen = url or os.environ.get("TCAN_URL") or DEFAULT_URL
    try:
        parts = httpx.URL(chosen)
        is_valid = parts.scheme in ("http", "https") and bool(parts.host)
    except (httpx.InvalidURL, UnicodeError):
        is_valid = False
    if not is_valid:
        raise ClientError(
            f"{chosen!r} is not the URL of a service; set TCAN_URL, --url or `url` to one that "
            f"begins with http:// or https:// and a host, like {DEFAULT_URL}"
        )
    return chosen


def service_key(api_key: str | None) -> str:
    """Return the API key: the given one, else TCAN_API_KEY, else an empty one."""
    return os.environ.get("TCAN_API_KEY", "") if api_key is None else api_key


def parse(model: type[M]) -> Callable[[httpx.Response], M]:
    """Return a parser of responses; it raises UnreachableError if one is not from this service."""

    def read(response: httpx.Response) -> M:
        try:
            return model.model_validate_json(response.content)
        except ValidationError as error:
            raise not_tcan(response.url, error) from error

    return read


def not_tcan(url: httpx.URL, error: ValidationError) -> UnreachableError:
    """Return the error for a response that is not of this API."""
    first = error.errors()[0]
    field = ".".join(str(step) for step in first["loc"])
    reason = f"{field}: {first['msg']}" if field else first["msg"]
    return UnreachableError(f"the server at {url} is not tcan, or an older one: {reason}")


def read_json(response: httpx.Response) -> dict[str, Any]:
    """Return a response's JSON object. Raises UnreachableError if it has none."""
    try:
        return dict(response.json())
    except (TypeError, ValueError) as error:
        raise UnreachableError(f"the server at {response.url} sent no JSON: {error}") from error


def next_path(path: str, link: str | None) -> str | None:
    """Return the path of the next page; `link` may be absolute, at a URL that the client left."""
    return None if link is None else f"{path}?{httpx.URL(link).query.decode()}"


def path_of(kind: str, id_: str, *rest: object) -> str:
    """Return the path of one of the `jobs` or `uploads`, or of a part of it.

    Raises:
        ClientError: it is no id, and would lead to another route.
    """
    if not ID.fullmatch(id_):
        raise ClientError(
            f"{id_!r} cannot be an id; give one that the service returned or lists in /{kind}"
        )
    return "/".join(("", kind, id_, *map(str, rest)))


def with_query(path: str, **query: str | int | list[str] | None) -> str:
    """Return the path with a query of those values that are not None."""
    given = {name: value for name, value in query.items() if value is not None}
    return str(httpx.URL(path, params=given))


def change_request(job_id: str, metadata: Mapping[str, str | None]) -> Request[Job]:
    """Request a change of a job's metadata."""
    body = {"json": {"metadata": dict(metadata)}}
    return Request("PATCH", path_of("jobs", job_id), parse(Job), lambda: nullcontext(body))


def request_form(file: File) -> Request[UploadForm]:
    """Request a signed upload form for a file."""
    body = {"json": {"max_bytes": max(1, file.size_bytes)}}
    return Request("POST", "/uploads", parse(UploadForm), lambda: nullcontext(body))


def send_form(form: UploadForm, file: File) -> Request[str]:
    """Upload the file by its form and return the upload's id."""

    @contextmanager
    def content() -> Iterator[dict[str, Any]]:
        with file.open() as stream:
            yield {"data": form.fields, "files": {"file": (file.name, stream)}}

    return Request("POST", form.url, lambda response: form.id, content)
