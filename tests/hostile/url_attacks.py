"""Attacks by URLs: of inputs, of redirects, of webhooks."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx

from tests.hostile import files
from tests.hostile.attack import Attack, Row, form
from tests.hostile.conftest import Service
from tests.service.web import INVALID_LOCATIONS


def url_rows() -> Iterator[Row]:
    """Return these attacks."""
    yield from _addresses()
    yield from _servers()
    yield from _webhooks()


def _by_url(url: str) -> Attack:
    """Submit an image by URL; `{in}` and `{out}` are ports of the two web servers."""

    def attack(service: Service) -> httpx.Response:
        ports = {"in": _port(service.inside.url), "out": _port(service.outside.url)}
        resolved_url = url
        for name, port in ports.items():
            resolved_url = resolved_url.replace(f"{{{name}}}", port)
        poses = service.outside.page("/poses", files.GOOD_POSES)
        body = {"image_url": resolved_url, "driving_url": poses}
        return service.http.post("/animate", json=body)

    return attack


def _port(url: str) -> str:
    return url.rpartition(":")[2]


def _addresses() -> Iterator[Row]:
    refused = ("url_refused",)
    for host in (
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.0x1",
        "017700000001",
        "0.0.0.0",
        "0",
        "localhost",
        "Localhost",
        "127。0。0。1",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:ffff:7f00:1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "2852039166",
        "[fd00:ec2::254]",
        "10.0.0.1",
        "192.168.0.1",
        "172.31.255.255",
        "100.100.100.200",
        "224.0.0.1",
        "inner.test",
        "mapped.test",
        "two-faced.test",
    ):
        yield Row(f"address {host}", _by_url(f"http://{host}:{{in}}/secret"), refused)
    for host in (
        "0177.0.0.1",
        "localhost.",
        "１２７.0.0.1",
    ):  # invalid hosts for the client or the resolver
        url = f"http://{host}:{{in}}/secret"
        yield Row(f"address {host}", _by_url(url), ("url_refused", "url_failed"))
    yield Row("URL with user name", _by_url("http://u:p@127.0.0.2:{out}/"), refused)
    yield Row("host after @", _by_url("http://127.0.0.2@127.0.0.1:{in}/secret"), refused)
    yield Row("unknown host name", _by_url("http://nowhere.test/"), ("url_failed",))
    for url in ("http://[", "http://a..b/", "https://xn--/", "http://\u2100/", "http://a\\b@c/"):
        yield Row(f"URL {ascii(url)}", _by_url(url), refused)
    yield Row("invalid port", _by_url("http://127.0.0.2:99999/"), ("url_refused",))
    for url in ("file:///etc/passwd", "gopher://127.0.0.1/_", "ftp://127.0.0.1/"):
        yield Row(f"scheme of {url}", _by_url(url), ("invalid_params",))
    yield Row("data URL that is no image", _by_url("data:,x"), ("invalid_image",))
    for url in ("http://127.0.0.2/\r\nHost: x", "http:///etc/passwd", "http://127.0.0.2/\x00"):
        yield Row(f"address {url!r}", _by_url(url), ("invalid_params", "url_refused", "url_failed"))


def _image_response(
    body: bytes, headers: dict[str, str] | None = None, status: int = 200, hold: bool = False
) -> Attack:
    """Submit an image on the attacker's server; `{in}` in a header is the internal port."""

    def attack(service: Service) -> httpx.Response:
        web, inside = service.outside, _port(service.inside.url)
        resolved_headers = {
            name: value.replace("{in}", inside) for name, value in (headers or {}).items()
        }
        url = web.page("/attack", body, status, resolved_headers)
        web.blocked_path = "/attack" if hold else ""
        web.release.clear()
        body_ = {"image_url": url, "driving_url": web.page("/poses", files.GOOD_POSES)}
        http = service.impatient_http if hold else service.http
        return http.post("/animate", json=body_)

    return attack


def _servers() -> Iterator[Row]:
    refused, failed = ("url_refused",), ("url_failed",)

    def to(place: str) -> Attack:
        return _image_response(b"", {"Location": place}, 302)

    yield Row("redirect to loopback", to("http://127.0.0.1:{in}/secret"), refused)
    yield Row("redirect to cloud metadata", to("http://169.254.169.254/latest/meta-data/"), refused)
    yield Row("redirect to a file", to("file:///etc/passwd"), refused)
    yield Row("redirect without a host", to("//127.1:{in}/secret"), refused)
    for location in INVALID_LOCATIONS:
        yield Row(f"redirect to {ascii(location)[:40]}", to(location), refused)
    yield Row("redirect loop", to("/attack"), failed)
    yield Row("host name that changes its address", _changing, ("url_refused", "url_failed"))
    gzip = {"Content-Encoding": "gzip"}
    yield Row(
        "response declared as gzip",
        _image_response(b"\x1f\x8b" + bytes(1000), gzip),
        ("invalid_image",),
    )
    yield Row(
        "response over the size limit", _image_response(bytes(5_000_000)), ("body_too_large",)
    )
    declared = {"Content-Length": str(10**15)}
    yield Row(
        "response that declares a petabyte", _image_response(b"x", declared), ("body_too_large",)
    )
    negative = {"Content-Length": "-1"}
    yield Row(
        "negative content length", _image_response(b"x", negative), ("url_failed", "invalid_image")
    )
    yield Row("response that never arrives", _image_response(b"x", hold=True), failed)
    yield Row("response without a body", _image_response(b"", status=204), failed)
    many = {f"X-{number}": "a" * 60_000 for number in range(4)}
    yield Row("headers over the size limit", _image_response(b"x", many), failed)


def _changing(service: Service) -> httpx.Response:
    """Redirect to a name that resolves to the attacker first, then to the internal service."""
    inside = _port(service.inside.url)
    place = f"http://changing.test:{inside}/secret"
    service.outside.page("/attack", b"", 302, {"Location": place})
    url = f"http://changing.test:{_port(service.outside.url)}/attack"
    return service.http.post("/animate", json={"image_url": url, "driving_url": url})


def _webhooks() -> Iterator[Row]:
    for url, codes in (
        ("http://127.0.0.1:1/", ("url_refused",)),
        ("http://[::ffff:10.0.0.1]/", ("url_refused",)),
        ("http://169.254.169.254/latest/api/token", ("url_refused",)),
        ("http://2130706433/", ("url_refused",)),
        ("http://u:p@127.0.0.2/", ("invalid_params",)),
        ("unix:///run/docker.sock", ("invalid_params",)),
        ("http://[", ("invalid_params",)),
        ("http://a:99999/", ("invalid_params",)),
        ("http://a..b/", ("url_refused",)),
        ("https://xn--/", ("url_refused",)),
    ):
        options = json.dumps({"webhook": {"url": url}})
        yield Row(f"webhook {url}", form(options=options), codes)
