"""Whether the broker asks who comes. Whoever can write to it can make jobs, and read them all."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from service.auth.anonymous_access import is_loopback

HOW_TO = (
    "give the server a password (requirepass, or a user of its ACL) and put it into "
    "TCAN_REDIS_URL: rediss://:PASSWORD@host:6379/0, redis:// where the network is its own"
)
CREDENTIALS = ("password", "ssl_certfile")


def is_own(url: str) -> bool:
    """Whether a broker's address means this machine alone."""
    parts = urlsplit(url)
    return parts.scheme == "unix" or is_loopback(parts.hostname or "localhost")


def has_credentials(url: str) -> bool:
    """Whether a broker's address says who we are: by a password, or by a certificate of ours."""
    parts = urlsplit(url)
    return bool(parts.password) or any(name in parse_qs(parts.query) for name in CREDENTIALS)


def why_open(url: str) -> str | None:
    """What is wrong with a broker that others can reach too; None when nothing is."""
    if is_own(url) or has_credentials(url):
        return None
    host = urlsplit(url).hostname
    return f"{host} lets everybody make and read jobs who can reach it: {HOW_TO}"
