"""Adds the API key to a client's requests."""

from __future__ import annotations

from collections.abc import Generator

import httpx

from tcan_client.errors import ClientError


class KeyAuth(httpx.Auth):
    """Adds the key to requests to the service, not to those to an object store."""

    def __init__(self, base: httpx.URL, api_key: str) -> None:
        self._origin = _origin(base)
        self._header = f"Bearer {api_key}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Implement `httpx.Auth`; httpx drops the header when a redirect leaves the origin."""
        if _origin(request.url) == self._origin:
            request.headers["Authorization"] = self._header
        yield request


def key_auth(url: str, api_key: str) -> KeyAuth | None:
    """Return the authentication for the service at `url`, or None if the key is empty.

    Raises:
        ClientError: the key contains what no header can carry.
    """
    key = api_key.strip()  # a key that was read from a file ends with a line break
    if not key:
        return None
    if not key.isascii() or not key.isprintable():
        raise ClientError(
            "the API key has a character that no key has; copy the key that "
            "'tcan keys create' printed into TCAN_API_KEY or `api_key`"
        )
    return KeyAuth(httpx.URL(url), key)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
