"""The text of an API key: `tcan_`, an id, and a secret of 256 random bits.

256 random bits can be neither guessed nor enumerated, so a plain SHA-256 protects them as well as a
slow hash protects a password, and costs a request nothing. The id finds the digest; digests are
compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from secrets import token_hex, token_urlsafe

from service.contract.callers import ApiKey

SECRET_BYTES = 32
KEY = re.compile(r"tcan_(?P<id>[0-9a-f]{12})_[A-Za-z0-9_-]{43}")


def new_secret() -> tuple[str, str]:
    """Return a new key's id and its text."""
    key_id = token_hex(6)
    return key_id, f"tcan_{key_id}_{token_urlsafe(SECRET_BYTES)}"


def id_of(text: str) -> str | None:
    """Return the id in a key's text, or None when it does not look like a key."""
    match = KEY.fullmatch(text)
    return None if match is None else match["id"]


def digest(text: str) -> str:
    """Return the digest that is stored for a key."""
    return hashlib.sha256(text.encode()).hexdigest()


def matches(text: str, key: ApiKey) -> bool:
    """Return whether the text is this key's."""
    return hmac.compare_digest(digest(text), key.digest)
