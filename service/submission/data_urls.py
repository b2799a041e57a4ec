"""Inputs inside the request: `data:` URLs (RFC 2397), far longer than all other fields.

Long ones are taken out of a JSON body before it is parsed, so that the rest can be held to the
limit of small bodies.
"""

from __future__ import annotations

import binascii
import json
import re
from urllib.parse import unquote_to_bytes

from service.contract.errors import ErrorCode
from service.errors import RejectedError

SCHEME = "data:"
# No other field of a request may be as long.
LONG_CHARS = 2048
# A long JSON string of ASCII; some encoders write / as \/ and + as \u002B.
_STRING = re.compile(
    rb'(?<!\\)"data:(?=[^"]{%d})(?:[ !#-\[\]-~]++|\\(?:[/nrt]|u00[0-7][0-9A-Fa-f]))*+"' % LONG_CHARS
)


def take_out(body: bytes) -> tuple[bytes, dict[str, bytes]]:
    """Replace the long `data:` URLs of a JSON body.

    Returns:
        The body with a placeholder for each, which is a `data:` URL too; the URLs by placeholder.
    """
    taken: dict[str, bytes] = {}

    def replace(match: re.Match[bytes]) -> bytes:
        # As long as it must be to be invalid in every other field.
        placeholder = f"{SCHEME}{len(taken):0{LONG_CHARS}d}"
        taken[placeholder] = json.loads(match[0]).encode()
        return f'"{placeholder}"'.encode()

    return _STRING.sub(replace, body), taken


def decode(url: bytes, max_bytes: int) -> bytes:
    """Return the content of a `data:` URL.

    Raises:
        RejectedError: the URL is malformed (`url_refused`), or its content is too large.
    """
    header, comma, data = url.partition(b",")
    if not comma:
        raise _malformed("there is no comma before the data")
    is_base64 = header.lower().endswith(b";base64")
    if b"%" in data or not is_base64:
        data = unquote_to_bytes(data)
    size = len(data) * 3 // 4 if is_base64 else len(data)
    if size > max_bytes + 2:
        raise RejectedError(
            ErrorCode.BODY_TOO_LARGE,
            f"the data: URL has about {size:,} bytes, the limit is {max_bytes:,}; send the file in "
            f"a form, or by an upload",
        )
    if not is_base64:
        return data
    if re.search(rb"\s", data):
        raise _malformed("the base64 data has line breaks or spaces; encode it as one line")
    try:
        return binascii.a2b_base64(data + b"=" * (-len(data) % 4), strict_mode=True)
    except binascii.Error as error:
        raise _malformed(f"the data is not base64 ({error})") from error


def _malformed(reason: str) -> RejectedError:
    return RejectedError(
        ErrorCode.URL_REFUSED,
        f"not a valid data: URL: {reason}; it must be like data:image/png;base64,iVBORw0K...",
    )
