"""`data:` URLs in requests."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest

from service.errors import RejectedError
from service.submission import data_urls
from service.submission.data_urls import decode, take_out

LONG = b"data:image/png;base64," + b64encode(bytes(range(256)) * 20)


@pytest.mark.parametrize(
    ("url", "content"),
    [
        (b"data:,a%20b", b"a b"),
        (b"data:application/json,[1]", b"[1]"),
        (b"data:image/png;base64,AAEC", b"\0\1\2"),
        (b"data:image/png;charset=x;BASE64,AAECAw", b"\0\1\2\3"),
        (b"data:image/png;base64,AAECAw%3D%3D", b"\0\1\2\3"),
        (LONG, bytes(range(256)) * 20),
    ],
)
def test_data_url_is_decoded(url: bytes, content: bytes) -> None:
    assert decode(url, 10_000) == content


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (b"data:image/png", "there is no comma"),
        (b"data:image/png;base64,AA*C", "the data is not base64"),
        (b"data:image/png;base64,A", "the data is not base64"),
        (b"data:image/png;base64,AAEC\nAAEC", "line breaks or spaces"),
        (b"data:image/png;base64,AAEC%0AAAEC", "line breaks or spaces"),
        (b"data:," + b"x" * 200, "about 200 bytes, the limit is 100"),
        (LONG, "about 5,121 bytes, the limit is 100"),
    ],
)
def test_invalid_data_url_is_refused(url: bytes, says: str) -> None:
    with pytest.raises(RejectedError, match=says):
        decode(url, 100)


def test_long_data_urls_are_taken_out_of_json() -> None:
    escaped = LONG.replace(b"/", b"\\/").replace(b"+", b"\\u002B")
    assert b"\\u002B" in escaped
    body = b'{"a": "%s", "b":"%s", "c": "data:,short", "d": "x\\"data:y"}' % (LONG, escaped)
    rest, taken = take_out(body)
    content = json.loads(rest)
    assert [taken[content[name]] for name in "ab"] == [LONG, LONG]
    assert len(content["a"]) > data_urls.LONG_CHARS
    assert (content["c"], content["d"]) == ("data:,short", 'x"data:y')
