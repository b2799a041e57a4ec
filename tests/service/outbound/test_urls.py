"""Every text is a URL that can be sent, or refused in words."""

from __future__ import annotations

import httpx
from hypothesis import given
from hypothesis import strategies as st

from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.outbound.urls import SCHEMES, checked_url

PIECES = (
    *("http:", "https:", "ftp:", "//", "/", "[", "]", "::1", "@", ":", "80", "99999", ".", ".."),
    *("xn--", "a", "%", "%00", "\\", "#", "?", " ", "\t", "\n", "\0", "\x7f", "\u00e9", "\u2100"),
    *("\u3002", "\ud800", "\u202e", "1", "-"),
)
TEXTS = st.one_of(
    st.text(),
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=6).map(lambda pieces: "http://" + "".join(pieces)),
)


@given(text=TEXTS)
def test_every_text_is_a_url_that_can_be_sent_or_is_refused(text: str) -> None:
    try:
        url = checked_url(text)
    except RejectedError as error:
        assert error.code is ErrorCode.URL_REFUSED
        assert str(error).isprintable(), ascii(str(error))
        return
    request = httpx.Request("GET", url)
    assert request.url.scheme in SCHEMES
    assert request.url.raw_host and not request.url.userinfo
