"""Why an outgoing request failed, in words for the person who gave its URL."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import httpx

Kinds = tuple[type[BaseException], ...]

# Checked in this order against an error and everything that caused it.
CAUSES: tuple[tuple[Kinds, str], ...] = (
    ((socket.gaierror,), "the host name cannot be resolved (DNS); check its spelling"),
    ((ssl.SSLError,), "the TLS connection failed; does the server speak https on this port?"),
    ((ConnectionRefusedError,), "the connection was refused; no server listens on this port"),
    ((httpx.ConnectTimeout,), "the server did not accept the connection in time"),
    ((httpx.ReadTimeout, httpx.WriteTimeout), "the server stopped answering"),
    ((TimeoutError,), "the server did not answer in time"),
    ((httpx.ConnectError,), "the server cannot be reached"),
    ((httpx.RemoteProtocolError,), "the server closed the connection early or sent no valid HTTP"),
    ((httpx.NetworkError,), "the server closed the connection early"),
)


def failure_cause(error: BaseException) -> str:
    """Return the cause of a failed request in words."""
    errors = list(_chain(error))
    if is_invalid_url(error):
        return "the URL has no valid host name"
    for each in errors:
        if isinstance(each, ssl.SSLCertVerificationError):
            return f"the server's TLS certificate is not valid: {each.verify_message}"
    for kinds, words in CAUSES:
        if any(isinstance(each, kinds) for each in errors):
            return words
    return f"the request failed ({type(error).__name__})"


def is_invalid_url(error: BaseException) -> bool:
    """Return whether a request failed because its URL or the host's name cannot exist."""
    return any(isinstance(each, (httpx.InvalidURL, UnicodeError)) for each in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and what caused it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
