"""The keys themselves: `tcan_`, an id, and a secret of 256 random bits.

Nobody can guess or enumerate 256 random bits, so a plain SHA-256 keeps them as safe as a slow hash
would keep a password, and costs a request nothing. The id finds the digest; digests are compared in
constant time.
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
    """A key's id, and the key."""
    key_id = token_hex(6)
    return key_id, f"tcan_{key_id}_{token_urlsafe(SECRET_BYTES)}"


def id_of(text: str) -> str | None:
    """The id in a key; None when it does not look like one."""
    found = KEY.fullmatch(text)
    return None if found is None else found["id"]


def digest(text: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(text.encode()).hexdigest()


def fits(text: str, key: ApiKey) -> bool:
    """Whether the text is this key."""
    return hmac.compare_digest(digest(text), key.digest)
