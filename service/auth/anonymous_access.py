"""Who may come in while there is no key: by default the users of this machine alone.

A page in a browser of this machine can send requests here as well, and a name of its own can be
made to lead here. So what came through loopback must also have been addressed to it, and what a
page of elsewhere sends is refused.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

Anonymous = Literal["loopback", "anywhere", "never"]

HOW_TO = "make a key with 'tcan keys create NAME', or set TCAN_ANONYMOUS=anywhere to need none"


def is_loopback(host: str) -> bool:
    """Whether this address or name means this machine alone."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def why_not(
    anonymous: Anonymous, server: tuple[str, int | None] | None, headers: Mapping[str, str]
) -> str | None:
    """Why a request without a key may not come in; None when it may.

    Args:
        server: the address that took the connection; a socket of the file system has no port.
        headers: of the request, by lower-case names.
    """
    if anonymous == "never":
        return f"the service is set up to need a key; {HOW_TO}"
    if anonymous == "anywhere" or server is None or not _is_address(server[0]):
        return None
    if not is_loopback(server[0]):
        return f"there is no key, so only this machine may call; {HOW_TO}"
    named = urlsplit(f"//{headers.get('host', '')}").hostname or ""
    if not is_loopback(named):
        return f"there is no key, so only this machine may call, by a name of its own; {HOW_TO}"
    origin = urlsplit(headers.get("origin", "")).hostname
    if "origin" in headers and not (origin and is_loopback(origin)):
        return f"there is no key, so pages of elsewhere may not call; {HOW_TO}"
    return None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
