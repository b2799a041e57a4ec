"""The attacks, one per row: a request and the accepted error codes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial

import httpx

from tests import samples
from tests.hostile import files
from tests.hostile.attack import Attack, Row, form
from tests.hostile.conftest import Service
from tests.hostile.url_attacks import url_rows

NESTED = "[" * 50_000 + "]" * 50_000


def rows() -> list[Row]:
    """Return all attacks."""
    files_ = (*_images(), *_drivers(), *_poses())
    return [*url_rows(), *files_, *_texts(), *_bodies()]


def _images() -> Iterator[Row]:
    bad, big = ("invalid_image",), ("image_too_large",)
    for side in (30_000, 2**31 - 1, 0):
        content = samples.png_that_declares(side, side or 64)
        yield Row(f"png of {side} pixels a side", form(content), (*bad, *big, "image_too_small"))
    for size in ((16, 4000), (4000, 16), (64, 257)):
        name = f"png of {size[0]}x{size[1]}, too narrow"
        yield Row(name, form(partial(samples.png, *size)), ("image_too_narrow",))
    for kind in ("GIF", "TIFF", "BMP"):
        yield Row(
            f"{kind} of 144 million pixels",
            form(partial(files.huge, kind)),
            (*big, "body_too_large"),
        )
    yield Row("truncated png", form(samples.png()[:2000]), bad)
    for name, content in {
        "empty": b"",
        "svg": files.SVG,
        "postscript": files.EPS,
        "pickle": files.pickled(),
        "playlist": files.PLAYLIST,
        "zip": b"PK\x03\x04" + bytes(100),
    }.items():
        yield Row(f"image: {name}", form(content), bad)
    yield Row("image over the limit", form(bytes(1024 * 1024 + 1)), ("body_too_large",))


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
        yield Row(f"driving: {name}", form(driving=content), bad)
    video_codes = (*bad, "no_person", "invalid_media", "video_too_long", "video_too_large")
    for name, box, at, value in (
        ("of 4 billion frames", b"stsz", 8, 2**32 - 1),
        ("of 100 million frames", b"stsz", 8, 100_000_000),
        ("with frames of 4 GiB", b"stsz", 4, 2**32 - 1),
        ("with a time scale of zero", b"mdhd", 12, 0),
    ):
        yield Row(f"mp4 {name}", form(driving=partial(files.with_box, box, at, value)), video_codes)
    for seed in (0, 2, 3, 4, 5):
        yield Row(
            f"mp4 with random bytes, seed {seed}",
            form(driving=partial(files.mutated, seed)),
            video_codes,
        )
    yield Row(
        "mp4 corrupt after the first frame",
        form(driving=files.corrupt_after_first_frame),
        video_codes,
    )
    yield Row("driving over the limit", form(driving=bytes(2**21 + 1)), ("body_too_large",))


def harmless_rows() -> list[Row]:
    """Return files whose false claims the readers ignore: refused, or accepted as jobs."""
    allowed = ("succeeded", "invalid_image", "invalid_video", "invalid_media", "no_person")
    return [
        Row("png whose data decompresses to 256 MiB", form(files.data_bomb), allowed),
        Row("png with a comment of 64 MiB", form(files.text_bomb), allowed),
        Row("mp4 that refers to external data", form(driving=files.external_data), allowed),
        Row("mp4 with random bytes, seed 1", form(driving=partial(files.mutated, 1)), allowed),
    ]


def _poses() -> Iterator[Row]:
    bad = ("invalid_pose_file",)
    for name, content in {
        "nested": NESTED.encode(),
        "nested objects": b'{"frames":' * 50_000,
        "unclosed arrays": b"[" * 1000,
        "infinite numbers": files.GOOD_POSES.replace(b"32.0", b"1e999"),
        "numbers of a million digits": files.GOOD_POSES.replace(b"32.0", b"9" * 1_000_000, 1),
        "NaN": files.GOOD_POSES.replace(b"32.0", b"NaN"),
        "indices of points that do not exist": files.poses_with(
            people={"candidate": [[1, 2]], "subset": [[1e999] * 18]}
        ),
        "damaged zip": files.zipped({"a.json": b"[]"})[:-40],
        "zip without poses": files.zipped({"../../etc/passwd": b"x"}),
        "zip of a zip": files.zipped({"a.json": files.zipped({"a.json": b"[]"})}),
        "canvas of a terapixel": files.poses_with(canvas_width=10**6, canvas_height=10**6),
        "negative canvas": files.poses_with(canvas_width=-64),
        "a key twice": b'{"frames": [], "frames": []}',
        "a thousand people": files.poses_with(people=[{}] * 1000),
        "control characters": b"[\x00\x01\x02]",
        "invalid UTF-8": b'["\xff\xfe"]',
        "17 joints": samples.poses(1, joints=17),
    }.items():
        yield Row(f"poses: {name}", form(driving=content), bad)
    bomb = partial(files.zipped, {"a.json": bytes(64 * 1024 * 1024)})
    yield Row("poses: zip bomb", form(driving=bomb), ("body_too_large",))
    many = partial(files.zipped, {f"{number}.json": b"" for number in range(9001)})
    yield Row("poses: zip of many files", form(driving=many), ("video_too_long",))
    yield Row("poses: too many", form(driving=_many_frames()), ("video_too_long", *bad))


def _many_frames() -> bytes:
    return json.dumps([{"people": [], "canvas_width": 64, "canvas_height": 64}] * 9001).encode()


def _texts() -> Iterator[Row]:
    bad = ("invalid_params",)
    yield Row("params: nested", form(params=NESTED[:30_000] + NESTED[-30_000:]), bad)
    yield Row("params: too long", form(params=" " * 70_000), ("body_too_large",))
    yield Row("params: wrong types", form(params='{"seed": "7"}'), bad)
    yield Row("params: infinite", form(params='{"ptm_tau": 1e999}'), bad)
    yield Row("params: unknown names", form(params='{"__class__": "os"}'), bad)
    yield Row("options: huge time to live", form(options='{"ttl_s": 1e300}'), bad)

    yield Row("params: a key twice", form(params='{"seed": 7, "seed": 8}'), bad)
    yield Row(
        "options: a nested key twice", form(options='{"metadata": {"a": "1", "a": "2"}}'), bad
    )

    def json_(content: str) -> Attack:
        kind = {"Content-Type": "application/json"}
        return lambda service: service.http.post("/animate", content=content, headers=kind)

    yield Row("json: nested", json_(NESTED[:30_000] + NESTED[-30_000:]), bad)
    yield Row("json: a key twice", json_('{"params": {"seed": 7}, "params": {}}'), bad)
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

    for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        yield Row(
            f"anonymous, with {header}",
            partial(_get_with, {header: "127.0.0.1"}),
            ("unauthorized",),
        )

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
        codes = (*big, "invalid_image", "invalid_video", "invalid_request")
        yield Row(f"{path}: endless epilogue", _body(path, form, _spaces(complete_form)), codes)
        bad = ("malformed_body",)
        yield Row(f"{path}: endless part header", _body(path, form, _spaces(head[:-4])), bad)
        yield Row(f"{path}: endless preamble", _body(path, form, _spaces()), bad)


def _get_with(headers: dict[str, str], service: Service) -> httpx.Response:
    return service.http.get("/jobs", headers=headers)


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
