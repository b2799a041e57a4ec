"""Operations on API keys, and what is counted of each caller.

Keys: `keys` hash of descriptions by the key's id, revoked ones included: a service that had a key
once never opens without one again; `requests:{caller}` times of the requests of the last minute;
`usage:{caller}:{day}` hash of what the caller's jobs of a day came to.
"""

from __future__ import annotations

from typing import NamedTuple

from service.contract.callers import WINDOW_S, ApiKey, CallerLimits
from service.stores.job_store.commands import Call


class Turnstile(NamedTuple):
    """What a request's count came to.

    Attributes:
        passed: the request is within the limit, and counted.
        remaining: requests that would pass now.
        more_in_ms: when there will be one more of them.
    """

    passed: bool
    remaining: int
    more_in_ms: int


def put_key(key: ApiKey) -> Call[str]:
    """Keep a new key."""
    return Call("put_key", (key.id, key.model_dump_json()), str)


def read_key(key_id: str) -> Call[ApiKey | None]:
    """The key, valid or not; None when there is none of this id."""
    return Call("read_key", (key_id,), lambda text: _key(text) if text else None)


def list_keys() -> Call[list[ApiKey]]:
    """All keys that there ever were, oldest first."""
    return Call("list_keys", (), lambda texts: sorted(map(_key, texts), key=_made))


def revoke_key(key_id: str) -> Call[bool]:
    """End the key's life; False when there is none of this id. One that is revoked stays so."""
    return Call("revoke_key", (key_id,), bool)


def any_key() -> Call[bool]:
    """Whether a key was ever made."""
    return Call("any_key", (), bool)


def count_request(caller: str, most: int) -> Call[Turnstile]:
    """Count a request of the caller, if it is one of at most `most` within the window."""
    return Call(
        "count_request",
        (caller, most, WINDOW_S * 1000),
        lambda reply: Turnstile(bool(reply[0]), reply[1], reply[2]),
    )


def room_for_a_job(caller: str, limits: CallerLimits, new_bytes: int) -> Call[str]:
    """Check that the caller may submit another job; raises RejectedError when the reply is read.

    `service.stores.job_store.commands.create` weighs it once more, by its true size.

    Args:
        new_bytes: that its inputs have at least, beside uploads, whose forms have been counted.
    """
    bounds = limits.model_dump_json(exclude_none=True)
    return Call("room_for_a_job", (caller, bounds, new_bytes), str)


def _key(text: str) -> ApiKey:
    return ApiKey.model_validate_json(text)


def _made(key: ApiKey) -> tuple[int, str]:
    return key.created_ms, key.id
