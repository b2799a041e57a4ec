"""Submit a job: check the request, store its inputs, create the record."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

import anyio
from anyio import to_thread

from service.auth.authenticator import Caller
from service.contract.errors import ErrorCode
from service.contract.job import JobInputs, JobKind, new_job_id
from service.contract.queues import Queue
from service.errors import RejectedError, UnavailableError
from service.gateway import Gateway
from service.jobs.idempotency import KEEP_MS, reserve_key
from service.jobs.inputs import take_inputs
from service.jobs.policy_check import check_options
from service.jobs.presets import check_preset
from service.outbound.urls import checked_url, invalid_url
from service.stores.job_store import commands
from service.stores.job_store.hints import message
from service.stores.job_store.quota import quota_of
from service.stores.job_store.snapshots import JobSnapshot
from service.submission.receive import SubmissionBody
from service.submission.spool import Spool
from service.telemetry.context import JOB_ID

logger = logging.getLogger(__name__)

DNS_TIMEOUT_S = 5.0


async def submit_job(
    gateway: Gateway, caller: Caller, received: SubmissionBody, key: str | None, spool: Spool
) -> tuple[JobSnapshot, bool]:
    """Create a job, or return the one that the same request created before.

    Args:
        key: the header `Idempotency-Key`.
        spool: holds inputs that are fetched from URLs or uploads.

    Returns:
        The job, and whether it existed before.

    Raises:
        RejectedError: the parameters or inputs are invalid, or the caller may not submit the job.
        UnavailableError: a store does not answer; no job was created.
    """
    check_options(received.options, caller, received.kind, gateway.settings.require_consent)
    await _check_webhook(gateway, received)
    async with reserve_key(gateway, caller, key, received) as reservation:
        if reservation.job_id is not None:
            return await _read_existing(gateway, caller, reservation.job_id), True
        await check_preset(gateway, received.kind, received.params.preset)
        job_id = new_job_id()
        inputs = await take_inputs(gateway, caller, received, job_id, spool)
        create = commands.create(
            job_id,
            received.params.with_seed(),
            inputs,
            kind=received.kind,
            options=received.options,
            caller=caller.id,
            idempotency_key=reservation.key,
            key_owner=reservation.owner,
            keep_key_ms=KEEP_MS,
            hint=message(job_id, Queue.PREPARE),
            contract=_least_contract(received, inputs),
            quota=quota_of(
                caller.limits,
                inputs.size_bytes,
                inputs.seconds or 0.0,
                received.uploads.values(),
            ),
        )
        try:
            snapshot = await gateway.jobs.run(create)
        except RejectedError:
            await _erase_inputs(gateway, job_id)
            raise
    JOB_ID.set(job_id)
    return snapshot, False


def _least_contract(received: SubmissionBody, inputs: JobInputs) -> int:
    """Return the contract that can run such a job; fields in use may need a later one."""
    # Workers of contract 2 follow the main person in pose previews and look at no image there, and
    # read no zips of pose files.
    is_preview, params = received.kind is JobKind.POSES, received.params
    previews_more = is_preview and (params.person is not None or inputs.image is not None)
    return 3 if previews_more or inputs.driving.endswith(".zip") else 1


async def _erase_inputs(gateway: Gateway, job_id: str) -> None:
    """Erase the inputs of a refused job; on failure they are orphans, which are swept later."""
    try:
        await to_thread.run_sync(
            gateway.objects.delete, f"jobs/{job_id}", limiter=gateway.store_threads
        )
    except UnavailableError as error:
        logger.warning("job %s: refused, could not erase its inputs: %s", job_id, error)


async def _check_webhook(gateway: Gateway, received: SubmissionBody) -> None:
    """Refuse an invalid webhook URL or a forbidden address at submission, not at delivery.

    Raises:
        RejectedError: it is invalid, or its host has an address that is not allowed. A host that
            cannot be resolved passes here and fails at delivery.
    """
    webhook = received.options.webhook
    if webhook is None:
        return
    try:
        parts = urlsplit(checked_url(webhook.url))
        with anyio.move_on_after(DNS_TIMEOUT_S):
            await gateway.guard.addresses(parts.hostname or "", parts.port or 443)
    except RejectedError as error:
        raise error.about("options.webhook.url") from error
    except UnicodeError as error:
        raise invalid_url("it has no valid host name").about("options.webhook.url") from error
    except OSError:
        return


async def _read_existing(gateway: Gateway, caller: Caller, job_id: str) -> JobSnapshot:
    try:
        return await gateway.read(job_id, caller)
    except RejectedError as error:
        raise RejectedError(
            ErrorCode.JOB_ERASED,
            f"the job {job_id!r} of this Idempotency-Key was erased; submit with a new key",
        ) from error
