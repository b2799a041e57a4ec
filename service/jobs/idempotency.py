"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): retried submits create one job."""

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
from service.errors import RejectedError, ServiceError
from service.gateway import Gateway
from service.stores.job_store import idempotency
from service.stores.job_store.commands import Command
from service.stores.job_store.idempotency import KeyClaim, KeyState
from service.submission.receive import SubmissionBody

KEEP_MS = 24 * 3600 * 1000
# How long a request holds its key; renewed while the request is accepted, so that the key of a
# gateway that died is free after this time. Clients wait longer.
CLAIM_MS = 10_000
RENEWALS_PER_CLAIM = 3
KEY = re.compile(r'"(?P<quoted>[\x21\x23-\x5b\x5d-\x7e ]{1,255})"|(?P<bare>[\x21\x23-\x7e]{1,255})')

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reservation:
    """The idempotency key of a request while it is being accepted.

    Attributes:
        key: digest of the key; empty without one.
        owner: random token of the request that holds the key.
        job_id: id of the job that the same request created before.
    """

    key: str = ""
    owner: str = ""
    job_id: str | None = None


@asynccontextmanager
async def reserve_key(
    gateway: Gateway, caller: Caller, header: str | None, received: SubmissionBody
) -> AsyncIterator[Reservation]:
    """Hold the request's key while it is accepted; an error releases it.

    Raises:
        RejectedError: the key is malformed, was used for a different request, or is in use.
    """
    if header is None:
        yield Reservation()
        return
    key, owner = stored_key(header), token_hex(16)
    claim = idempotency.claim_key(caller.id, key, await received.fingerprint(), owner, CLAIM_MS)
    try:
        job_id = _read_claim(await gateway.jobs.run(claim))
        async with _renewing(gateway, claim):
            yield Reservation(key, owner, job_id)
    except BaseException:
        await _release(gateway, idempotency.release_key(caller.id, key, owner))
        raise


def _read_claim(found: KeyClaim) -> str | None:
    """Return the job that the same request created before; None when the key was claimed."""
    if found.state is KeyState.OTHER:
        raise RejectedError(
            ErrorCode.IDEMPOTENCY_KEY_REUSED,
            "Idempotency-Key: already used with a different request body; use a new key",
        )
    if found.state is KeyState.PENDING:
        raise idempotency.in_use_error(
            "a request with the same Idempotency-Key is in progress; retry in a moment"
        )
    return found.job_id if found.state is KeyState.JOB else None


@asynccontextmanager
async def _renewing(gateway: Gateway, claim: Command[KeyClaim]) -> AsyncIterator[None]:
    """Renew the claim in the background, since receiving inputs may take long."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(CLAIM_MS / 1000 / RENEWALS_PER_CLAIM)
            try:
                await gateway.jobs.run(claim)
            except ServiceError as error:
                # A request that lost its key fails when it creates the job.
                logger.warning("could not renew an idempotency key: %s", error)

    renewing = asyncio.create_task(renew(), name="idempotency key")
    try:
        yield
    finally:
        renewing.cancel()


async def _release(gateway: Gateway, command: Command[str]) -> None:
    """Release the key after an error, without replacing that error.

    Also when the claim itself failed: a paused Redis server runs it when it resumes.
    """
    try:
        await gateway.jobs.run(command)
    except ServiceError as error:
        logger.warning("could not release an idempotency key; it expires: %s", error)


def stored_key(header: str) -> str:
    """Return the digest of the key in a header, quoted as in the draft or bare.

    Raises:
        RejectedError: empty, longer than 255 characters, or not visible ASCII.
    """
    match = KEY.fullmatch(header.strip())
    if match is None:
        raise RejectedError(
            ErrorCode.INVALID_REQUEST, "Idempotency-Key: must be 1 to 255 visible ASCII characters"
        )
    return hashlib.sha256((match["quoted"] or match["bare"]).encode()).hexdigest()
