"""Access without an API key while no key exists: by default for users of this machine only.

A page in a browser of this machine can also send requests here, and any DNS name can be made to
resolve to loopback. So a request over loopback must also name a loopback host, and requests from
pages of other sites are refused. So are requests through a proxy, which hides where they are from.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Mapping
from urllib.parse import urlsplit

from service.contract.callers import Anonymous

# Headers of proxies. Behind one on this machine, every client would be a loopback client.
PROXY_HEADERS = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
)
HOW_TO = (
    "create a key with 'tcan keys create NAME', or set TCAN_ANONYMOUS=anywhere to allow "
    "everyone without a key"
)


def is_loopback(host: str) -> bool:
    """Return whether an address or name is a loopback one."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _parse(name)
    mapped = getattr(address, "ipv4_mapped", None) or address
    return mapped is not None and mapped.is_loopback


def denial_reason(
    anonymous: Anonymous,
    server: tuple[str, int | None] | None,
    headers: Mapping[str, str],
    origins: Container[str] = (),
) -> str | None:
    """Return why a request without a key is denied, or None when it is allowed.

    Args:
        server: the address that accepted the connection; a Unix socket has no port.
        headers: the request's headers, by lower-case names.
        origins: origins of pages that the operator allows by name.
    """
    if anonymous == "never":
        return f"this service requires a key (TCAN_ANONYMOUS=never); {HOW_TO}"
    if anonymous == "anywhere" or server is None or _parse(server[0]) is None:
        return None
    if not is_loopback(server[0]):
        return f"no key exists, so only requests from this machine are allowed; {HOW_TO}"
    sent = next((name for name in PROXY_HEADERS if name in headers), None)
    if sent is not None:
        return (
            f"no key exists, so requests through a proxy are refused, and this one has the header "
            f"{sent!r}; {HOW_TO}"
        )
    host = _host(f"//{headers.get('host', '')}")
    if not is_loopback(host):
        return f"no key exists, so the Host header must be a loopback name, not {host!r}; {HOW_TO}"
    origin = headers.get("origin")
    if origin is not None and origin not in origins and not _is_loopback_origin(origin):
        return f"no key exists, so cross-origin requests are refused; {HOW_TO}"
    return None


def _is_loopback_origin(origin: str) -> bool:
    return is_loopback(_host(origin))


def _host(url: str) -> str:
    """Return the host of a URL; empty if it has none or cannot be parsed."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _parse(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
