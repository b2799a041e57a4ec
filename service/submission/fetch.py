"""The one module that fetches addresses which callers give.

Bounded in bytes, in time and in redirects. `checked_url` decides which kinds of addresses are
fetched, and the guard of `service.outbound` to which hosts connections go: for the first one and
for each that a redirect leads to.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import anyio
import httpx

from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.outbound.guard import Guard
from service.outbound.transport import GuardedTransport
from service.submission.multipart import declared_bytes

SCHEMES = ("http", "https")
MAX_REDIRECTS = 3
# A server that sends nothing for this long is not worth waiting for.
SILENCE_S = 10.0
# What arrives is what is counted: nothing is unpacked on the way.
Hold = Callable[[int], None]
HEADERS = {"Accept-Encoding": "identity", "User-Agent": "tcan"}


async def fetch(
    guard: Guard, url: str, file: Path, max_bytes: int, timeout_s: float, hold: Hold
) -> None:
    """Write what an address serves to a file.

    Args:
        guard: knows the hosts that may be connected to.
        max_bytes: the transfer ends at the first byte that is too many.
        timeout_s: for all of it, redirects included.
        hold: makes sure that there is room for so many bytes, before they are written.

    Raises:
        RejectedError: the URL is not allowed, gives no file, too large a file, or no file in time;
            or what `hold` raises.
    """
    try:
        with anyio.fail_after(timeout_s):
            async with httpx.AsyncClient(
                timeout=SILENCE_S,
                trust_env=False,
                headers=HEADERS,
                transport=GuardedTransport(guard),
            ) as client:
                await _follow(client, checked_url(url), file, max_bytes, hold)
    except TimeoutError as error:
        raise _failed(url, f"not all of it came within {timeout_s:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise _failed(url, type(error).__name__) from error


def checked_url(url: str) -> str:
    """The address, if it is one that is fetched. Raises RejectedError (`url_refused`)."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises ValueError when it is no number
    except ValueError as error:
        raise RejectedError(ErrorCode.URL_REFUSED, f"not an address: {error}") from error
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise RejectedError(
            ErrorCode.URL_REFUSED, f"{parts.scheme or 'no scheme'}: only http and https are fetched"
        )
    if parts.username is not None or parts.password is not None:
        raise RejectedError(ErrorCode.URL_REFUSED, "an address with a user's name is not fetched")
    return url


async def _follow(
    client: httpx.AsyncClient, url: str, file: Path, max_bytes: int, hold: Hold
) -> None:
    for _ in range(MAX_REDIRECTS + 1):
        async with client.stream("GET", url) as answer:
            if not answer.has_redirect_location:
                await _save(answer, url, file, max_bytes, hold)
                return
            url = checked_url(urljoin(url, answer.headers["location"]))
    raise _failed(url, f"more than {MAX_REDIRECTS} redirects")


async def _save(answer: httpx.Response, url: str, file: Path, max_bytes: int, hold: Hold) -> None:
    if answer.status_code != 200:
        raise _failed(url, f"HTTP {answer.status_code}")
    declared = declared_bytes(answer.headers)
    if declared > max_bytes:
        raise _too_large(url, max_bytes)
    hold(declared)
    size = 0
    async with await anyio.open_file(file, "wb") as stream:
        async for chunk in answer.aiter_raw():
            size += len(chunk)
            if size > max_bytes:
                raise _too_large(url, max_bytes)
            hold(size)
            await stream.write(chunk)


def _failed(url: str, why: str) -> RejectedError:
    return RejectedError(ErrorCode.URL_FAILED, f"{_shown(url)}: {why}")


def _too_large(url: str, max_bytes: int) -> RejectedError:
    return RejectedError(ErrorCode.BODY_TOO_LARGE, f"{_shown(url)}: more than {max_bytes} bytes")


def _shown(url: str) -> str:
    """The host alone: the rest of an address may hold a secret."""
    return urlsplit(url).hostname or "the address"
