"""Sessions of web pages: a cookie in place of an API key, which the page never stores.

A session's id is random; Redis stores its SHA-256 beside the id of its key, until it expires. Its
rights are those of the key at each request, so it ends when the key does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from secrets import token_urlsafe
from urllib.parse import urlsplit

from service.contract.errors import ErrorCode
from service.errors import RejectedError

COOKIE = "tcan_session"
LIFETIME_S = 12 * 3600
ID_BYTES = 32
# Per client address; keys cannot be guessed, but each attempt costs a look-up.
SIGN_INS_PER_MINUTE = 30


def new_session_id() -> str:
    """Return a random session id."""
    return token_urlsafe(ID_BYTES)


def digest(session_id: str) -> str:
    """Return the digest that is stored for a session."""
    return hashlib.sha256(session_id.encode()).hexdigest()


def check_same_origin(headers: Mapping[str, str]) -> None:
    """Check that a request was sent by a page of this service.

    Browsers say so by `Sec-Fetch-Site` on secure pages, else by `Origin`.

    Raises:
        RejectedError: `forbidden`.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin", "")
    if site == "same-origin":
        return
    if site is None and origin and _host(origin) == headers.get("host"):
        return
    raise RejectedError(
        ErrorCode.FORBIDDEN,
        f"a session may be used by pages of this service only: Sec-Fetch-Site is "
        f"{site or 'absent'} and Origin {origin or 'absent'}; send an API key instead",
    )


def _host(origin: str) -> str:
    """Return host and port of an origin; empty if it cannot be parsed."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
