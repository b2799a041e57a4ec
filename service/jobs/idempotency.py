"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a retried submit makes one job."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from secrets import token_hex

from service.auth.authenticator import Caller
from service.contract.errors import ErrorCode
from service.contract.limits import CLAIM_MS
from service.errors import RejectedError, ServiceError
from service.gateway import Gateway
from service.stores.job_store import idempotency
from service.stores.job_store.commands import Command
from service.stores.job_store.idempotency import KeyClaim, KeyState
from service.submission.receive import Received

KEEP_MS = 24 * 3600 * 1000
RENEWALS_PER_CLAIM = 3
KEY = re.compile(r'"(?P<quoted>[\x21\x23-\x5b\x5d-\x7e ]{1,255})"|(?P<bare>[\x21\x23-\x7e]{1,255})')

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reservation:
    """What a request's key stands for.

    Attributes:
        key: as it is stored, a digest; empty without a key.
        owner: holds the key while the request is accepted.
        job_id: of the job that the same request made before.
    """

    key: str = ""
    owner: str = ""
    job_id: str | None = None


@asynccontextmanager
async def reserved(
    gateway: Gateway, caller: Caller, header: str | None, received: Received
) -> AsyncIterator[Reservation]:
    """Hold the request's key while it is accepted; an error releases it.

    Raises:
        RejectedError: the key is malformed, belongs to another request, or to one under way.
    """
    if header is None:
        yield Reservation()
        return
    key, owner = stored_key(header), token_hex(16)
    claim = idempotency.claim_key(caller.id, key, await received.fingerprint(), owner, CLAIM_MS)
    try:
        job_id = _read_claim(await gateway.jobs.run(claim))
        async with _renewed(gateway, claim):
            yield Reservation(key, owner, job_id)
    except BaseException:
        await _give_back(gateway, idempotency.release_key(caller.id, key, owner))
        raise


def _read_claim(found: KeyClaim) -> str | None:
    """The job that the same request made before; None where the key is the claimer's now."""
    if found.state is KeyState.OTHER:
        raise RejectedError(
            ErrorCode.IDEMPOTENCY_KEY_REUSED, "the key came before, with another body"
        )
    if found.state is KeyState.PENDING:
        raise idempotency.in_use_error("the same request is being accepted; ask again in a moment")
    return found.job_id if found.state is KeyState.JOB else None


@asynccontextmanager
async def _renewed(gateway: Gateway, claim: Command[KeyClaim]) -> AsyncIterator[None]:
    """Claim again and again, since inputs may take long to come."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(CLAIM_MS / 1000 / RENEWALS_PER_CLAIM)
            try:
                await gateway.jobs.run(claim)
            except ServiceError as error:
                # Who lost the key learns that when the job is to be made.
                logger.warning("an idempotency key is not renewed: %s", error)

    renewing = asyncio.create_task(renew(), name="idempotency key")
    try:
        yield
    finally:
        renewing.cancel()


async def _give_back(gateway: Gateway, unclaim: Command[str]) -> None:
    """Give the key back after an error, which is what the caller shall hear of.

    Also where it may not have been taken: a server that was stopped runs the claim when it goes on.
    """
    try:
        await gateway.jobs.run(unclaim)
    except ServiceError as error:
        logger.warning("an idempotency key is left to its end: %s", error)


def stored_key(header: str) -> str:
    """The digest of the key in a header, quoted as the draft says or bare.

    Raises:
        RejectedError: empty, longer than 255 characters, or not of visible ASCII.
    """
    found = KEY.fullmatch(header.strip())
    if found is None:
        raise RejectedError(
            ErrorCode.INVALID_REQUEST, "Idempotency-Key: 1 to 255 visible characters of ASCII"
        )
    return hashlib.sha256((found["quoted"] or found["bare"]).encode()).hexdigest()
