"""The attacks, one per row: a request and the accepted error codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import NamedTuple

import httpx

from tests import samples
from tests.hostile import files
from tests.hostile.conftest import Service

Attack = Callable[[Service], httpx.Response]
NESTED = "[" * 50_000 + "]" * 50_000


class Row(NamedTuple):
    """An attack.

    Attributes:
        codes: accepted codes of the error response or of the failed job.
    """

    name: str
    attack: Attack
    codes: tuple[str, ...]


def rows() -> list[Row]:
    """Return all attacks."""
    files_ = (*_images(), *_drivers(), *_poses())
    return [*_addresses(), *_servers(), *_webhooks(), *files_, *_texts(), *_bodies()]


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
    yield Row("invalid port", _by_url("http://127.0.0.2:99999/"), ("url_refused",))
    for url in ("file:///etc/passwd", "gopher://127.0.0.1/_", "ftp://127.0.0.1/", "data:,x"):
        yield Row(f"scheme of {url}", _by_url(url), ("invalid_params",))
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


Content = bytes | Callable[[], bytes]


def _form(
    image: Content = files.GOOD_IMAGE, driving: Content = files.GOOD_POSES, **texts: str
) -> Attack:
    """Submit a form with these parts; contents given as functions are made on submit."""

    def attack(service: Service) -> httpx.Response:
        parts = {
            name: (name, content if isinstance(content, bytes) else content())
            for name, content in (("image", image), ("driving", driving))
        }
        return service.http.post("/animate", files=parts, data=texts)

    return attack


def _webhooks() -> Iterator[Row]:
    for url, codes in (
        ("http://127.0.0.1:1/", ("url_refused",)),
        ("http://[::ffff:10.0.0.1]/", ("url_refused",)),
        ("http://169.254.169.254/latest/api/token", ("url_refused",)),
        ("http://2130706433/", ("url_refused",)),
        ("http://u:p@127.0.0.2/", ("invalid_params",)),
        ("unix:///run/docker.sock", ("invalid_params",)),
    ):
        options = json.dumps({"webhook": {"url": url}})
        yield Row(f"webhook {url}", _form(options=options), codes)


def _images() -> Iterator[Row]:
    bad, big = ("invalid_image",), ("image_too_large",)
    for side in (30_000, 2**31 - 1, 0):
        content = samples.png_that_declares(side, side or 64)
        yield Row(f"png of {side} pixels a side", _form(content), (*bad, *big, "image_too_small"))
    for size in ((16, 4000), (4000, 16), (64, 257)):
        name = f"png of {size[0]}x{size[1]}, too narrow"
        yield Row(name, _form(partial(samples.png, *size)), ("image_too_narrow",))
    for kind in ("GIF", "TIFF", "BMP"):
        yield Row(
            f"{kind} of 144 million pixels",
            _form(partial(files.huge, kind)),
            (*big, "body_too_large"),
        )
    yield Row("truncated png", _form(samples.png()[:2000]), bad)
    for name, content in {
        "empty": b"",
        "svg": files.SVG,
        "postscript": files.EPS,
        "pickle": files.pickled(),
        "playlist": files.PLAYLIST,
        "zip": b"PK\x03\x04" + bytes(100),
    }.items():
        yield Row(f"image: {name}", _form(content), bad)
    yield Row("image over the limit", _form(bytes(1024 * 1024 + 1)), ("body_too_large",))


def _drivers() -> Iterator[Row]:
    bad = ("invalid_video",)
    for name, content in {
        "empty": b"",
        "text": b"a" * 3000,
        "playlist": files.PLAYLIST,
        "playlist after an mp4 box": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + files.PLAYLIST,
        "concat": files.CONCAT,
        "dash": files.DASH,
        "pickle": files.pickled(),
        "sound": files.sound(),
        "still": samples.png(),
        "truncated": files.mp4()[:300],
        "truncated index": files.mp4()[:-100],
    }.items():
        yield Row(f"driving: {name}", _form(driving=content), bad)
    video_codes = (*bad, "no_person", "invalid_media", "video_too_long", "video_too_large")
    for name, box, at, value in (
        ("of 4 billion frames", b"stsz", 8, 2**32 - 1),
        ("of 100 million frames", b"stsz", 8, 100_000_000),
        ("with frames of 4 GiB", b"stsz", 4, 2**32 - 1),
        ("with a time scale of zero", b"mdhd", 12, 0),
    ):
        yield Row(
            f"mp4 {name}", _form(driving=partial(files.with_box, box, at, value)), video_codes
        )
    for seed in (0, 2, 3, 4, 5):
        yield Row(
            f"mp4 with random bytes, seed {seed}",
            _form(driving=partial(files.mutated, seed)),
            video_codes,
        )
    yield Row(
        "mp4 corrupt after the first frame",
        _form(driving=files.corrupt_after_first_frame),
        video_codes,
    )
    yield Row("driving over the limit", _form(driving=bytes(2**21 + 1)), ("body_too_large",))


def harmless_rows() -> list[Row]:
    """Return files whose false claims the readers ignore: refused, or accepted as jobs."""
    allowed = ("succeeded", "invalid_image", "invalid_video", "invalid_media", "no_person")
    return [
        Row("png whose data decompresses to 256 MiB", _form(files.data_bomb), allowed),
        Row("png with a comment of 64 MiB", _form(files.text_bomb), allowed),
        Row("mp4 that refers to external data", _form(driving=files.external_data), allowed),
        Row("mp4 with random bytes, seed 1", _form(driving=partial(files.mutated, 1)), allowed),
    ]


def _poses() -> Iterator[Row]:
    bad = ("invalid_pose_file",)
    for name, content in {
        "nested": NESTED.encode(),
        "nested objects": b'{"frames":' * 50_000,
        "unclosed arrays": b"[" * 1000,
        "infinite numbers": files.GOOD_POSES.replace(b"32.0", b"1e999"),
        "numbers of a million digits": files.GOOD_POSES.replace(b"32.0", b"9" * 1_000_000, 1),
        "NaN": files.GOOD_POSES.replace(b"32.0", b"NaN", 1),
        "canvas of a terapixel": files.poses_with(canvas_width=10**6, canvas_height=10**6),
        "negative canvas": files.poses_with(canvas_width=-64),
        "a thousand people": files.poses_with(people=[{}] * 1000),
        "control characters": b"[\x00\x01\x02]",
        "invalid UTF-8": b'["\xff\xfe"]',
        "17 joints": samples.poses(1, joints=17),
    }.items():
        yield Row(f"poses: {name}", _form(driving=content), bad)
    yield Row("poses: too many", _form(driving=_many_frames()), ("video_too_long", *bad))


def _many_frames() -> bytes:
    return json.dumps([{"people": [], "canvas_width": 64, "canvas_height": 64}] * 9001).encode()


def _texts() -> Iterator[Row]:
    bad = ("invalid_params",)
    yield Row("params: nested", _form(params=NESTED[:30_000] + NESTED[-30_000:]), bad)
    yield Row("params: too long", _form(params=" " * 70_000), ("body_too_large",))
    yield Row("params: wrong types", _form(params='{"seed": "7"}'), bad)
    yield Row("params: infinite", _form(params='{"ptm_tau": 1e999}'), bad)
    yield Row("params: unknown names", _form(params='{"__class__": "os"}'), bad)
    yield Row("options: huge time to live", _form(options='{"ttl_s": 1e300}'), bad)

    def json_(content: str) -> Attack:
        kind = {"Content-Type": "application/json"}
        return lambda service: service.http.post("/animate", content=content, headers=kind)

    yield Row("json: nested", json_(NESTED[:30_000] + NESTED[-30_000:]), bad)
    yield Row("json: too long", json_(" " * 70_000), ("body_too_large",))
    yield Row(
        "json: path as an upload id",
        json_('{"image_upload": "../../x", "driving_upload": "/"}'),
        bad,
    )
    yield Row(
        "json: NUL in a URL", json_('{"image_url": "http://a\\u0000b/"}'), (*bad, "url_refused")
    )

    def part(name: str) -> Attack:
        parts = {name: ("../../../etc/cron.d/x", b"x")}
        return lambda service: service.http.post("/animate", files=parts)

    for name in ("../image", "image\x00", "__proto__", "a" * 9000):
        yield Row(f"part {name[:12]!r}", part(name), ("invalid_request", "malformed_body"))

    def get(path: str) -> Attack:
        return lambda service: service.http.get(path)

    missing = ("not_found", "job_not_found", "invalid_signature", "invalid_request")
    link = "filename=x&expires=9999999999&signature=0"
    for path in (
        "/jobs/..%2f..%2fetc%2fpasswd",
        "/jobs/%00",
        f"/objects/..%2f..%2fredis_url?{link}",
        f"/objects//etc/passwd?{link}",
        f"/objects/jobs/%2e%2e/%2e%2e/webhook.key?{link}",
        "/docs/..%2f..%2fapp.py",
    ):
        yield Row(f"path {path}", get(path), missing)

    def object_form(fields: dict[str, str]) -> Attack:
        return lambda service: service.http.post(
            "/objects", data=fields, files={"file": ("f", b"x")}
        )

    forged = {"max_bytes": "9", "expires": "9999999999", "signature": "0" * 64}
    yield Row(
        "form with a forged signature",
        object_form({"key": "../../x", **forged}),
        ("invalid_signature",),
    )
    foreign_digits = {**forged, "expires": "\u0661", "key": "uploads/x/file"}
    yield Row("form with non-ASCII digits", object_form(foreign_digits), ("invalid_signature",))

    file_first = {"file": b"x" * 2000, "key": b"uploads/x/file", "max_bytes": b"9"}
    yield Row("form with the file first", _parts("/objects", file_first), ("invalid_signature",))

    def key(text: bytes) -> Attack:
        parts = {"image": ("i", files.GOOD_IMAGE), "driving": ("d", files.GOOD_POSES)}
        headers = {b"Idempotency-Key": text}
        return lambda service: service.http.post("/animate", files=parts, headers=headers)

    yield Row("idempotency key of control characters", key(b"a\x01b"), ("invalid_request", "http"))
    yield Row("idempotency key over the length limit", key(b"k" * 300), ("invalid_request",))


def _bodies() -> Iterator[Row]:
    """Yield endless bodies, with and without a length, for each route that takes a body."""
    big = ("body_too_large",)
    for path in ("/animate", "/poses", "/uploads"):
        for kind, content in (("long", b" " * 10_000_000), ("endless", _spaces())):
            yield Row(f"{path}: {kind} json", _body(path, "application/json", content), big)
    for path, name in (("/animate", "image"), ("/poses", "driving"), ("/objects", "key")):
        head = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n' % name.encode()
        form = "multipart/form-data; boundary=b"
        yield Row(f"{path}: endless part", _body(path, form, _spaces(head)), big)
        complete_form = head + b"x\r\n--b--\r\n"
        codes = (*big, "invalid_request")
        yield Row(f"{path}: endless epilogue", _body(path, form, _spaces(complete_form)), codes)
        bad = ("malformed_body",)
        yield Row(f"{path}: endless part header", _body(path, form, _spaces(head[:-4])), bad)
        yield Row(f"{path}: endless preamble", _body(path, form, _spaces()), bad)


def _body(path: str, kind: str, content: bytes | Iterable[bytes]) -> Attack:
    return lambda service: service.http.post(path, content=content, headers={"Content-Type": kind})


def _spaces(head: bytes = b"") -> Iterator[bytes]:
    """Yield a head and then 30 MB, without a length."""
    yield head
    for _ in range(30):
        yield b" " * 1_000_000


def _parts(path: str, contents: dict[str, bytes]) -> Attack:
    """Submit a form of these parts in this order."""
    parts = [(name, (None, content)) for name, content in contents.items()]
    return lambda service: service.http.post(path, files=parts)
