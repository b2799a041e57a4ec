"""Check that a broker which other machines can reach is protected by credentials.

Anyone who can write to the broker can create jobs and read all of them.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from service.auth.anonymous_access import is_loopback

HOW_TO = (
    "set a password on the server (requirepass, or an ACL user) and put it into "
    "TCAN_REDIS_URL: rediss://:PASSWORD@host:6379/0, or redis:// on a private network"
)
CREDENTIALS = ("password", "ssl_certfile")


def is_local(url: str) -> bool:
    """Return whether a broker's URL points to this machine."""
    parts = urlsplit(url)
    return parts.scheme == "unix" or is_loopback(parts.hostname or "localhost")


def has_credentials(url: str) -> bool:
    """Return whether a broker's URL has a password or a client certificate."""
    parts = urlsplit(url)
    return bool(parts.password) or any(name in parse_qs(parts.query) for name in CREDENTIALS)


def unprotected_reason(url: str) -> str | None:
    """Return why a broker is open to other machines, or None when it is protected or local."""
    if is_local(url) or has_credentials(url):
        return None
    host = urlsplit(url).hostname
    return f"{host} accepts jobs from, and shows jobs to, everyone who can reach it: {HOW_TO}"
