"""Adds the API key to a client's requests."""

from __future__ import annotations

from collections.abc import Generator

import httpx


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


def key_auth(url: str, api_key: str | None) -> KeyAuth | None:
    """Return the authentication for the service at `url`, or None without a key."""
    return None if api_key is None else KeyAuth(httpx.URL(url), api_key)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
