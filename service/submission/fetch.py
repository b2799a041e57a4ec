"""Download inputs from URLs that callers give; no other module does.

Bytes, time and redirects are limited. `checked_url` decides which URLs are fetched, and the guard
of `service.outbound` which hosts may be connected to: for the first URL and for each redirect.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import anyio
import httpx

from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.outbound.client import OutboundClient
from service.outbound.failures import failure_cause, is_invalid_url
from service.outbound.guard import Guard
from service.outbound.urls import checked_url, invalid_url
from service.submission.multipart import declared_bytes

MAX_REDIRECTS = 3
# Maximum time between two chunks.
READ_TIMEOUT_S = 10.0
Reserve = Callable[[int], None]
# Without compression, the received bytes are the counted ones.
HEADERS = {"Accept-Encoding": "identity", "User-Agent": "tcan"}
PAGE_TYPES = ("text/html", "application/xhtml+xml", "application/xml", "text/xml")
# What to do about a status; others are the server's own fault.
STATUS_HINTS = {
    401: "the file needs a login; give a public or a signed URL",
    403: "the server refuses access; give a public URL or a signed one that is still valid",
    404: "there is no such file; check the URL",
    410: "the file was removed",
    429: "the server limits requests; retry later",
}


async def fetch(
    guard: Guard, url: str, file: Path, max_bytes: int, timeout_s: float, reserve: Reserve
) -> None:
    """Download a URL to a file.

    Args:
        guard: decides which hosts may be connected to.
        max_bytes: the transfer stops at the first byte over this limit.
        timeout_s: limit on the whole transfer, redirects included.
        reserve: reserves disk space for this many bytes in total, before they are written.

    Raises:
        RejectedError: the URL is not allowed, returns no file, too large a file, or no file in
            time; or the error of `reserve`.
    """
    try:
        with anyio.fail_after(timeout_s):
            async with OutboundClient(guard, httpx.Timeout(READ_TIMEOUT_S), HEADERS) as client:
                await _follow(client, checked_url(url), file, max_bytes, reserve)
    except TimeoutError as error:
        raise _failed(url, f"the download did not finish within {timeout_s:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        if is_invalid_url(error):
            raise invalid_url("it, or a redirect from it, has no valid host name") from error
        raise _failed(url, failure_cause(error)) from error


async def _follow(
    client: OutboundClient, url: str, file: Path, max_bytes: int, reserve: Reserve
) -> None:
    for _ in range(MAX_REDIRECTS + 1):
        async with client.send("GET", url) as response:
            if not response.has_redirect_location:
                await _save(response, url, file, max_bytes, reserve)
                return
            url = _redirect_target(url, response.headers["location"])
    raise _failed(url, f"more than {MAX_REDIRECTS} redirects; give the final URL")


def _redirect_target(url: str, location: str) -> str:
    try:
        if location.startswith("//"):
            location = f"{urlsplit(url).scheme}:{location}"
        # urljoin takes the host of `url` for an absolute location without one.
        return checked_url(location if urlsplit(location).scheme else urljoin(url, location))
    except (RejectedError, ValueError) as error:
        detail = f"{_host(url)} redirects to a URL that is not allowed: {error}"
        raise RejectedError(ErrorCode.URL_REFUSED, detail) from error


async def _save(
    response: httpx.Response, url: str, file: Path, max_bytes: int, reserve: Reserve
) -> None:
    if response.status_code != 200:
        raise _failed(url, _status_words(response.status_code))
    declared = declared_bytes(response.headers)
    if declared > max_bytes:
        raise _too_large(url, max_bytes)
    reserve(declared)
    size = 0
    async with await anyio.open_file(file, "wb") as stream:
        async for chunk in response.aiter_raw():
            if size == 0:
                _check_is_file(response, url, chunk)
            size += len(chunk)
            if size > max_bytes:
                raise _too_large(url, max_bytes)
            reserve(size)
            await stream.write(chunk)


def _check_is_file(response: httpx.Response, url: str, head: bytes) -> None:
    """Raise RejectedError for a web page; a file with a wrong content type is accepted."""
    content_type = response.headers.get("content-type", "")
    is_declared = content_type.partition(";")[0].strip().lower() in PAGE_TYPES
    if is_declared and ("content-encoding" in response.headers or _is_text(head)):
        reason = f"the URL returns a web page ({content_type}); give the direct URL of the file"
        raise _failed(url, reason)


def _is_text(head: bytes) -> bool:
    """Return whether the first bytes are text, but not JSON: pose files are often mislabeled."""
    first = head.removeprefix(BOM_UTF8).lstrip()[:1]
    return first == b"<" or (b"\0" not in head and head.isascii() and first not in (b"[", b"{"))


def _status_words(status: int) -> str:
    """Return a status with its meaning, such as `HTTP 404 Not Found: there is no such file`."""
    phrase = HTTPStatus(status).phrase if status in list(HTTPStatus) else "unknown status"
    hint = STATUS_HINTS.get(status)
    if hint is None:
        hint = "the server failed; retry later" if status >= 500 else "the URL returns no file"
    return f"HTTP {status} {phrase}: {hint}"


def _failed(url: str, reason: str) -> RejectedError:
    return RejectedError(ErrorCode.URL_FAILED, f"{_host(url)}: {reason}")


def _too_large(url: str, max_bytes: int) -> RejectedError:
    return RejectedError(
        ErrorCode.BODY_TOO_LARGE, f"{_host(url)}: the file has more than {max_bytes} bytes"
    )


def _host(url: str) -> str:
    """Return the host only: the rest of a URL may contain a secret."""
    return urlsplit(url).hostname or "the URL"
