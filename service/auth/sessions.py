"""Sessions of web pages: a cookie in place of an API key, which the page never stores.

A session's id is random; Redis stores its SHA-256 beside the id of its key, until it expires. Its
rights are those of the key at each request, so it ends when the key does.

On https the cookie's name begins with `__Host-`: browsers accept such a cookie only from this host
itself over https, so neither a sibling domain nor a page on http can plant one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from secrets import token_urlsafe
from urllib.parse import urlsplit

from service.contract.errors import ErrorCode
from service.errors import RejectedError

COOKIE = "tcan_session"
SECURE_COOKIE = f"__Host-{COOKIE}"
LIFETIME_S = 12 * 3600
ID_BYTES = 32
# Per client address; keys cannot be guessed, but each attempt costs a look-up.
FAILED_SIGN_INS_PER_MINUTE = 30


def new_session_id() -> str:
    """Return a random session id."""
    return token_urlsafe(ID_BYTES)


def digest(session_id: str) -> str:
    """Return the digest that is stored for a session."""
    return hashlib.sha256(session_id.encode()).hexdigest()


def is_https(headers: Mapping[str, str]) -> bool:
    """Return whether a request says that a page of this service on https sent it."""
    return _is_same_origin(headers) and headers.get("origin", "").startswith("https:")


def session_id(headers: Mapping[str, str]) -> str | None:
    """Return the id of the session that a request uses, or None.

    One that a page on https sends with its `Origin`, as browsers do with all that change something,
    uses the cookie of https only.
    """
    ids = session_ids(headers)
    return ids.get(SECURE_COOKIE) or (None if is_https(headers) else ids.get(COOKIE))


def session_ids(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the ids in a request's cookies of sessions, by the names of the cookies."""
    pairs = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
    return {name: value for name, _, value in pairs if name in (COOKIE, SECURE_COOKIE)}


def check_same_origin(headers: Mapping[str, str]) -> None:
    """Check that a request was sent by a page of this service.

    Browsers say so by `Sec-Fetch-Site` on secure pages, else by `Origin`.

    Raises:
        RejectedError: `forbidden`.
    """
    if _is_same_origin(headers):
        return
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    raise RejectedError(
        ErrorCode.FORBIDDEN,
        f"a session may be used by pages of this service only: Sec-Fetch-Site is "
        f"{site or 'absent'} and Origin {origin or 'absent'}; send an API key instead",
    )


def _is_same_origin(headers: Mapping[str, str]) -> bool:
    """Return whether the browser says that a page of this service sent the request."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None or not origin:
        return site == "same-origin"
    return _host(origin) == headers.get("host")


def _host(origin: str) -> str:
    """Return host and port of an origin; empty if it cannot be parsed."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
