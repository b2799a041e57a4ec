"""Which URLs of callers are valid, before anything is resolved or sent."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx

from service.contract.errors import ErrorCode
from service.errors import RejectedError

SCHEMES = ("http", "https")


def checked_url(url: str) -> str:
    """Return the URL if its form is allowed. Raises RejectedError (`url_refused`)."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises ValueError for an invalid port
        # The parser that sends; each of the two refuses what the other accepts.
        sent = httpx.URL(url)
        sent.host  # noqa: B018 - raises UnicodeError for an invalid name
    except (ValueError, httpx.InvalidURL) as error:
        raise invalid_url(str(error)) from error
    if b"%" in sent.raw_host:
        raise invalid_url("its host name has a space or another character that none has")
    if parts.scheme not in SCHEMES or not parts.hostname:
        scheme = parts.scheme or "no scheme"
        raise _refused(f"only http and https URLs with a host are allowed, got {scheme}")
    if parts.username is not None or parts.password is not None:
        raise _refused("URLs with a user name or password are not allowed")
    return url


def invalid_url(reason: str) -> RejectedError:
    """Return the error for a URL that cannot be parsed, or whose host name cannot exist."""
    return _refused(f"not a valid URL: {reason}")


def _refused(detail: str) -> RejectedError:
    return RejectedError(ErrorCode.URL_REFUSED, detail)
