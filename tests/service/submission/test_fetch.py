"""Downloading inputs from URLs: which are fetched and which are refused."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.outbound.guard import Guard
from service.submission.fetch import MAX_REDIRECTS, fetch
from tests.servers import GUARD_S, free_port
from tests.service.tls_proxy import certificate, tls_proxy
from tests.service.web import INVALID_LOCATIONS, Web, web_server

# The test's server is not on a public address.
GUARD = Guard.allowing("127.0.0.1")


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as web:
        yield web


def download(
    url: str,
    folder: Path,
    max_bytes: int = 1000,
    timeout_s: float = GUARD_S,
    guard: Guard = GUARD,
) -> bytes:
    """Return the bytes that the service downloads."""
    file = folder / "file"
    asyncio.run(fetch(guard, url, file, max_bytes, timeout_s, list[int]().append))
    return file.read_bytes()


def refusal(url: str, folder: Path, **limits: Any) -> RejectedError:
    """Return the error of a refused download."""
    with pytest.raises(RejectedError) as error:
        download(url, folder, **limits)
    return error.value


def test_redirects_are_followed_up_to_the_limit(web: Web, tmp_path: Path) -> None:
    url = web.page("/file", b"x" * 1000)
    for number in range(MAX_REDIRECTS):
        url = web.page(f"/{number}", b"", 302, {"Location": url})
    assert download(url, tmp_path) == b"x" * 1000
    again = refusal(web.page("/more", b"", 302, {"Location": url}), tmp_path)
    assert (again.code, "redirects" in again.detail) == (ErrorCode.URL_FAILED, True)


def test_download_stops_at_the_size_limit(web: Web, tmp_path: Path) -> None:
    big = b"x" * 5_000_000
    declared = refusal(web.page("/a", big, headers={"Content-Length": str(len(big))}), tmp_path)
    undeclared = refusal(web.page("/b", big), tmp_path)
    for error in (declared, undeclared):
        assert error.code is ErrorCode.BODY_TOO_LARGE
    assert (tmp_path / "file").stat().st_size <= 1000


def test_compressed_response_is_not_decompressed(web: Web, tmp_path: Path) -> None:
    url = web.page("/a", b"not gzip", headers={"Content-Encoding": "gzip"})
    assert download(url, tmp_path) == b"not gzip"


def test_slow_download_times_out(web: Web, tmp_path: Path) -> None:
    web.blocked_path = "/slow"
    error = refusal(web.page("/slow", b"x"), tmp_path, timeout_s=0.2)
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
        "http://[",
        "https://xn--/",
        "http://a b/",
    ],
)
def test_url_with_wrong_scheme_host_port_or_credentials_is_refused(
    url: str, tmp_path: Path
) -> None:
    error = refusal(url, tmp_path)
    assert error.code is ErrorCode.URL_REFUSED
    assert "secret" not in error.detail


def test_redirect_target_is_checked(web: Web, tmp_path: Path) -> None:
    error = refusal(web.page("/a", b"", 302, {"Location": "file:///etc/passwd"}), tmp_path)
    assert error.code is ErrorCode.URL_REFUSED


def test_failed_download_error_names_the_host_but_not_the_query(web: Web, tmp_path: Path) -> None:
    missing = refusal(f"{web.url}/nothing?token=secret", tmp_path)
    gone = refusal(f"http://127.0.0.1:{free_port()}/?token=secret", tmp_path)
    assert missing.detail.startswith("127.0.0.1: HTTP 404 Not Found: there is no such file")
    assert gone.detail.startswith("127.0.0.1: the connection was refused")
    assert "secret" not in missing.detail + gone.detail
    assert {missing.code, gone.code} == {ErrorCode.URL_FAILED}


def test_redirect_to_an_invalid_url_is_refused(web: Web, tmp_path: Path) -> None:
    for location in INVALID_LOCATIONS:
        error = refusal(web.page("/a", b"", 302, {"Location": location}), tmp_path)
        assert error.code is ErrorCode.URL_REFUSED, (location, error.detail)
    assert web.requests == ["/a"] * len(INVALID_LOCATIONS)


def test_redirects_carry_no_cookies(web: Web, tmp_path: Path) -> None:
    cookie = {"Set-Cookie": "a=b; Path=/", "Location": web.page("/file", b"x")}
    assert download(web.page("/a", b"", 302, cookie), tmp_path) == b"x"
    assert (web.requests, web.cookies) == (["/a", "/file"], [None, None])


def test_web_page_in_place_of_a_file_is_named_by_its_content_type(web: Web, tmp_path: Path) -> None:
    html = {"Content-Type": "text/html; charset=utf-8"}
    page = refusal(web.page("/a", b"\n<!doctype html><p>Sign in", headers=html), tmp_path)
    assert page.code is ErrorCode.URL_FAILED
    assert "a web page (text/html; charset=utf-8)" in page.detail
    text = refusal(web.page("/b", b"Not found", headers=html), tmp_path)
    packed = refusal(
        web.page("/c", b"\x1f\x8b", headers=html | {"Content-Encoding": "gzip"}), tmp_path
    )
    assert "text/html" in text.detail and "text/html" in packed.detail
    # A file is a file, whatever the server calls it.
    for content in (b"\x89PNG\r\n\x1a\n\0", b'{"people": []}'):
        assert download(web.page("/d", content, headers=html), tmp_path) == content


@pytest.mark.parametrize("status", [204, 401, 403, 404, 410, 429, 500, 503, 999])
def test_status_of_a_failed_download_is_explained(web: Web, tmp_path: Path, status: int) -> None:
    error = refusal(web.page("/a", b"x", status), tmp_path)
    assert re.fullmatch(rf"127\.0\.0\.1: HTTP {status} [^:]+: .+", error.detail)


def test_causes_of_failed_connections_are_words(web: Web, tmp_path: Path) -> None:
    assert (
        "does the server speak https" in refusal(web.url.replace("http", "https"), tmp_path).detail
    )
    chain, key = certificate(tmp_path, "127.0.0.1")
    with tls_proxy(int(web.url.rpartition(":")[2]), chain, key) as port:
        untrusted = refusal(f"https://127.0.0.1:{port}/", tmp_path)
    assert "TLS certificate is not valid: self-signed certificate" in untrusted.detail
    unknown = refusal("http://nowhere.invalid/", tmp_path, guard=Guard.allowing("nowhere.invalid"))
    assert "cannot be resolved (DNS)" in unknown.detail


@pytest.mark.parametrize("url", ["http://a..b/", f"http://{'a' * 70}.example/", "https://xn--/"])
def test_host_name_that_cannot_exist_is_refused(url: str, tmp_path: Path) -> None:
    assert refusal(url, tmp_path).code is ErrorCode.URL_REFUSED
