"""Answers of the server to connections and requests that never reach the app."""

from __future__ import annotations

import json
from enum import StrEnum
from functools import cache
from http import HTTPStatus

from service.api.problems import MEDIA_TYPE, SECURITY_HEADERS, problem_content
from service.contract.errors import ErrorCode
from service.errors import RejectedError

MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 128
RETRY_AFTER_S = 5


class Refusal(StrEnum):
    """Why the server closed a connection; label `reason` of its metric."""

    CONNECTIONS = "connections"
    """As many connections are open as may be."""
    ADDRESS = "address"
    """The same, of the client's address."""
    HEAD_SIZE = "head_size"
    HEAD_MEMORY = "head_memory"
    """All incomplete heads together are too large."""
    HEAD_TIME = "head_time"
    BODY_PACE = "body_pace"
    UNREAD = "unread"
    """The client does not read its response."""
    MALFORMED = "malformed"
    """Not HTTP."""


ERRORS = {
    Refusal.CONNECTIONS: (
        ErrorCode.UNAVAILABLE,
        "the gateway has as many open connections as it may (TCAN_HTTP__CONNECTIONS); retry later",
    ),
    Refusal.ADDRESS: (
        ErrorCode.TOO_MANY_CONNECTIONS,
        "your address has as many open connections as it may "
        "(TCAN_HTTP__CONNECTIONS_PER_ADDRESS); close some, use each for many requests, or retry "
        "later",
    ),
    Refusal.HEAD_SIZE: (
        ErrorCode.HEAD_TOO_LARGE,
        f"request line and headers are over the limit of {MAX_HEAD_BYTES} bytes, or of "
        f"{MAX_HEADERS} headers, or too many requests were sent ahead",
    ),
    Refusal.HEAD_MEMORY: (
        ErrorCode.UNAVAILABLE,
        "too many incomplete requests are held in memory; retry later",
    ),
    Refusal.HEAD_TIME: (
        ErrorCode.REQUEST_TIMEOUT,
        "request line and headers did not arrive in time (TCAN_HTTP__HEAD_TIMEOUT_S)",
    ),
    Refusal.BODY_PACE: (
        ErrorCode.REQUEST_TIMEOUT,
        "the body arrived too slowly (TCAN_HTTP__BODY_BYTES_PER_S); send it without pauses",
    ),
}


@cache
def refusal_response(refusal: Refusal) -> bytes:
    """Return the whole HTTP response, after which the connection is closed."""
    if refusal in ERRORS:
        code, detail = ERRORS[refusal]
        status, media_type = code.http_status, MEDIA_TYPE
        body = json.dumps(problem_content(RejectedError(code, detail), "/")).encode()
    else:
        status, media_type, body = 400, "text/plain", b"Invalid HTTP request received."
    headers = {
        **SECURITY_HEADERS,
        "Content-Type": media_type,
        "Content-Length": str(len(body)),
        "Connection": "close",
    }
    if status in (429, 503):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name.lower()}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
