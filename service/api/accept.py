"""From what a caller asks for to a job that waits."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from anyio import to_thread

from service.api.callers import Caller
from service.api.deps import Gateway
from service.api.idempotency import KEEP_MS, reserved
from service.contract.errors import ErrorCode
from service.contract.job import JobInputs, JobRecord, new_job_id
from service.errors import Rejected, Unavailable
from service.media.inspect import Inspected, inspect_inputs
from service.stores import calls, requests
from service.stores.objects import ObjectMissingError
from service.submission.fetch import fetch
from service.submission.receive import Received, parts_taken

logger = logging.getLogger(__name__)


async def accept(
    gateway: Gateway, caller: Caller, received: Received, key: str | None, folder: Path
) -> tuple[calls.Placed, bool]:
    """Make the job, or find the one that the same request made before.

    Args:
        key: the header `Idempotency-Key`.
        folder: takes inputs that come from elsewhere.

    Returns:
        The job, and whether it was there before.

    Raises:
        Rejected: the parameters or the inputs cannot be used.
        Unavailable: a store does not answer; there is no job then.
    """
    async with reserved(gateway, caller, key, received) as reservation:
        if reservation.job_id is not None:
            return await _again(gateway, caller, reservation.job_id), True
        files = {**received.files, **await _collect(gateway, caller, received, folder)}
        found = await to_thread.run_sync(
            inspect_inputs, files, gateway.settings.limits, limiter=gateway.inspections
        )
        job_id = new_job_id()
        inputs = await to_thread.run_sync(_store, gateway, job_id, files, found)
        placed = await gateway.jobs.run(
            calls.create(
                job_id,
                received.params.with_seed(),
                inputs,
                kind=received.kind,
                options=received.options,
                caller=caller.id,
                idempotency_key=reservation.key,
                keep_key_ms=KEEP_MS,
            )
        )
    await to_thread.run_sync(_hint, gateway, placed.record)
    return placed, False


async def _again(gateway: Gateway, caller: Caller, job_id: str) -> calls.Placed:
    try:
        return await gateway.read(job_id, caller)
    except Rejected as error:
        raise Rejected(
            ErrorCode.JOB_ERASED, f"this request made the job {job_id!r}, which was erased"
        ) from error


async def _collect(
    gateway: Gateway, caller: Caller, received: Received, folder: Path
) -> dict[str, Path]:
    """Bring the inputs that lie elsewhere into the folder."""
    files = {}
    parts = parts_taken(received.kind, gateway.settings.limits)
    for name, url in received.urls.items():
        files[name] = folder / name
        await fetch(url, files[name], parts[name].max_bytes, gateway.settings.fetch_timeout_s)
    for name, upload_id in received.uploads.items():
        files[name] = folder / name
        await _take_upload(gateway, caller, upload_id, files[name], parts[name].max_bytes)
    return files


async def _take_upload(
    gateway: Gateway, caller: Caller, upload_id: str, file: Path, max_bytes: int
) -> None:
    upload = await gateway.jobs.run(requests.read_upload(upload_id))
    if upload is None or upload.caller != caller.id:
        raise Rejected(ErrorCode.UPLOAD_NOT_FOUND, f"there is no upload {upload_id!r}")
    try:
        size = await to_thread.run_sync(gateway.objects.size, upload.key)
        if size > max_bytes:
            raise Rejected(
                ErrorCode.BODY_TOO_LARGE,
                f"the upload {upload_id!r} has more than {max_bytes} bytes",
            )
        await to_thread.run_sync(gateway.objects.fetch, upload.key, file)
    except ObjectMissingError as error:
        raise Rejected(
            ErrorCode.UPLOAD_NOT_FOUND, f"nothing was sent to the upload {upload_id!r} yet"
        ) from error


def _store(
    gateway: Gateway, job_id: str, files: Mapping[str, Path], found: Mapping[str, Inspected]
) -> JobInputs:
    keys = {name: f"jobs/{job_id}/inputs/{name}{found[name].suffix}" for name in found}
    driving = found["driving"]
    assert driving.kind is not None
    for name, key in keys.items():
        gateway.objects.put(key, files[name])
    return JobInputs(
        image=keys.get("image"),
        driving=keys["driving"],
        driving_kind=driving.kind,
        frames=driving.frames,
    )


def _hint(gateway: Gateway, record: JobRecord) -> None:
    try:
        gateway.hints.send(record.id, record.queue)
    except Unavailable as error:
        logger.warning("job %s: the reconciler will send the hint (%s)", record.id, error)
