"""Addresses that callers give: what is fetched, and what is not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.outbound.guard import Guard
from service.submission.fetch import MAX_REDIRECTS, fetch
from tests.servers import GUARD_S, free_port
from tests.service.web import Web, web_server

# The test's own server is no public host.
GUARD = Guard.allowing("127.0.0.1")


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as web:
        yield web


def fetched(url: str, folder: Path, max_bytes: int = 1000, timeout_s: float = GUARD_S) -> bytes:
    """What the service gets from an address."""
    file = folder / "file"
    asyncio.run(fetch(GUARD, url, file, max_bytes, timeout_s, list[int]().append))
    return file.read_bytes()


def refused(
    url: str, folder: Path, max_bytes: int = 1000, timeout_s: float = GUARD_S
) -> RejectedError:
    """Why it gets nothing."""
    with pytest.raises(RejectedError) as error:
        fetched(url, folder, max_bytes, timeout_s)
    return error.value


def test_a_file_is_fetched_through_redirects(web: Web, tmp_path: Path) -> None:
    url = web.page("/file", b"x" * 1000)
    for number in range(MAX_REDIRECTS):
        url = web.page(f"/{number}", b"", 302, {"Location": url})
    assert fetched(url, tmp_path) == b"x" * 1000
    again = refused(web.page("/more", b"", 302, {"Location": url}), tmp_path)
    assert (again.code, "redirects" in again.detail) == (ErrorCode.URL_FAILED, True)


def test_a_transfer_ends_at_the_first_byte_too_many(web: Web, tmp_path: Path) -> None:
    big = b"x" * 5_000_000
    declared = refused(web.page("/a", big, headers={"Content-Length": str(len(big))}), tmp_path)
    undeclared = refused(web.page("/b", big), tmp_path)
    for error in (declared, undeclared):
        assert error.code is ErrorCode.BODY_TOO_LARGE
    assert (tmp_path / "file").stat().st_size <= 1000


def test_a_packed_answer_is_not_unpacked(web: Web, tmp_path: Path) -> None:
    url = web.page("/a", b"not gzip", headers={"Content-Encoding": "gzip"})
    assert fetched(url, tmp_path) == b"not gzip"


def test_a_server_that_takes_too_long_is_given_up(web: Web, tmp_path: Path) -> None:
    web.held = "/slow"
    error = refused(web.page("/slow", b"x"), tmp_path, timeout_s=0.2)
    assert (error.code, "within 0.2 s" in error.detail) == (ErrorCode.URL_FAILED, True)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.com/x",
        "http://",
        "/relative",
        "http://user:secret@example.com/",
        "http://example.com:port/",
    ],
)
def test_an_address_of_another_kind_is_refused(url: str, tmp_path: Path) -> None:
    error = refused(url, tmp_path)
    assert error.code is ErrorCode.URL_REFUSED
    assert "secret" not in error.detail


def test_a_redirect_is_checked_like_an_address(web: Web, tmp_path: Path) -> None:
    error = refused(web.page("/a", b"", 302, {"Location": "file:///etc/passwd"}), tmp_path)
    assert error.code is ErrorCode.URL_REFUSED


def test_what_is_not_there_says_so_without_the_whole_address(web: Web, tmp_path: Path) -> None:
    missing = refused(f"{web.url}/nothing?token=secret", tmp_path)
    gone = refused(f"http://127.0.0.1:{free_port()}/?token=secret", tmp_path)
    assert missing.detail == "127.0.0.1: HTTP 404"
    assert gone.detail == "127.0.0.1: ConnectError"
    assert {missing.code, gone.code} == {ErrorCode.URL_FAILED}
