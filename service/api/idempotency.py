"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a retried submit makes one job."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from secrets import token_hex

from service.api.callers import Caller
from service.api.deps import Gateway
from service.contract.errors import ErrorCode
from service.errors import Rejected
from service.stores import requests
from service.stores.requests import Claim
from service.submission.receive import Received

KEEP_MS = 24 * 3600 * 1000
# A gateway that dies while it accepts a request leaves the key taken for this long.
PENDING_MS = 10 * 60 * 1000
KEY = re.compile(r'"(?P<quoted>[\x21\x23-\x5b\x5d-\x7e ]{1,255})"|(?P<bare>[\x21\x23-\x7e]{1,255})')


@dataclass(frozen=True)
class Reservation:
    """What a request's key stands for.

    Attributes:
        key: as it is stored, a digest; empty without a key.
        job_id: of the job that the same request made before.
    """

    key: str = ""
    job_id: str | None = None


@asynccontextmanager
async def reserved(
    gateway: Gateway, caller: Caller, header: str | None, received: Received
) -> AsyncIterator[Reservation]:
    """Hold the request's key while it is accepted; an error gives it back.

    Raises:
        Rejected: the key is malformed, belongs to another request, or to one under way.
    """
    if header is None:
        yield Reservation()
        return
    key, owner = stored_key(header), token_hex(16)
    fingerprint = await received.fingerprint()
    found = await gateway.jobs.run(requests.claim(caller.id, key, fingerprint, owner, PENDING_MS))
    if found.claim is Claim.OTHER:
        raise Rejected(ErrorCode.IDEMPOTENCY_KEY_REUSED, "the key came before, with another body")
    if found.claim is Claim.PENDING:
        raise Rejected(
            ErrorCode.IDEMPOTENCY_KEY_IN_USE,
            "the same request is being accepted; ask again in a moment",
            headers={"Retry-After": "1"},
        )
    if found.claim is Claim.JOB:
        yield Reservation(key, found.job_id)
        return
    try:
        yield Reservation(key)
    except BaseException:
        await gateway.jobs.run(requests.unclaim(caller.id, key, owner))
        raise


def stored_key(header: str) -> str:
    """The digest of the key in a header, quoted as the draft says or bare.

    Raises:
        Rejected: empty, longer than 255 characters, or not of visible ASCII.
    """
    found = KEY.fullmatch(header.strip())
    if found is None:
        raise Rejected(
            ErrorCode.INVALID_REQUEST, "Idempotency-Key: 1 to 255 visible characters of ASCII"
        )
    return hashlib.sha256((found["quoted"] or found["bare"]).encode()).hexdigest()
