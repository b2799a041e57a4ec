"""From the inputs that a request names to a job's own objects, looked at and stored."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from anyio import to_thread

from service.auth.authenticator import Caller
from service.contract.errors import ErrorCode
from service.contract.job import JobInputs
from service.errors import RejectedError
from service.gateway import Gateway
from service.inspection.inspector import InputInfo, are_quick, inspect_inputs, memory_bytes
from service.jobs.policy_check import Judged
from service.stores.job_store.uploads import Upload, read_uploads
from service.stores.object_store.base import (
    Content,
    Copy,
    New,
    ObjectChangedError,
    ObjectMissingError,
)
from service.submission.fetch import fetch
from service.submission.receive import Received, allowed_parts
from service.submission.spool import Spool

# An upload that is sent again while a job is made of it is looked at again, so many times.
LOOKS = 3


async def take_inputs(
    gateway: Gateway, caller: Caller, received: Received, job_id: str, spool: Spool
) -> JobInputs:
    """Store the inputs of a job; they are safe when it returns.

    Args:
        spool: takes inputs that come from elsewhere.

    Raises:
        RejectedError: an input is not there, cannot be used, or is refused by the policy.
        UnavailableError: the store does not answer.
    """
    contents = {**received.files, **await _fetched(gateway, received, spool)}
    found = await _inspected(gateway, contents)
    uploads = await _uploads(gateway, caller, received)
    judged = Judged(gateway.policy, received, caller, contents)
    found |= await _copied(gateway, uploads, job_id, spool, judged)
    keys = {name: _key(job_id, name, seen) for name, seen in found.items()}
    if contents:
        await gateway.writer.put({keys[name]: content for name, content in contents.items()})
    driving = found["driving"]
    assert driving.kind is not None
    return JobInputs(
        image=keys.get("image"),
        driving=keys["driving"],
        driving_kind=driving.kind,
        frames=driving.frames,
        seconds=driving.seconds,
        size_bytes=sum(seen.size_bytes for seen in found.values()),
    )


async def _fetched(gateway: Gateway, received: Received, spool: Spool) -> dict[str, Content]:
    """Inputs that lie behind addresses, as files."""
    files: dict[str, Content] = {}
    for name, url in received.urls.items():
        file = files[name] = spool.folder / name
        most = allowed_parts(received.kind, gateway.settings.limits)[name].max_bytes
        timeout_s, reserve = gateway.settings.fetch_timeout_s, partial(spool.reserve, name)
        await fetch(gateway.guard, url, file, most, timeout_s, reserve)
    return files


async def _inspected(gateway: Gateway, contents: Mapping[str, Content]) -> dict[str, InputInfo]:
    if are_quick(contents):
        return inspect_inputs(contents, gateway.settings.limits, gateway.decoder)
    limits = gateway.settings.limits
    async with gateway.probe_memory.reserve(memory_bytes(contents, limits)):
        return await to_thread.run_sync(inspect_inputs, contents, limits, gateway.decoder)


async def _uploads(gateway: Gateway, caller: Caller, received: Received) -> dict[str, Upload]:
    """The caller's uploads that the request names. Raises RejectedError (`upload_not_found`)."""
    if not received.uploads:
        return {}
    known = await gateway.jobs.run(read_uploads(tuple(received.uploads.values())))
    found = {}
    for (name, upload_id), upload in zip(received.uploads.items(), known, strict=True):
        if upload is None or upload.caller != caller.id:
            raise RejectedError(ErrorCode.UPLOAD_NOT_FOUND, f"there is no upload {upload_id!r}")
        found[name] = upload
    return found


async def _copied(
    gateway: Gateway, uploads: Mapping[str, Upload], job_id: str, spool: Spool, judged: Judged
) -> dict[str, InputInfo]:
    """Copy uploads into the job: exactly those bytes that were looked at, and judged."""
    for looks_left in range(LOOKS - 1, -1, -1):
        copies: dict[str, New] = {}
        found: dict[str, InputInfo] = {}
        for name, upload in uploads.items():
            tag, found[name] = await _looked_at(gateway, name, upload, spool)
            copies[_key(job_id, name, found[name])] = Copy(upload.key, tag)
        await judged.pass_on({name: spool.folder / name for name in uploads})
        try:
            if copies:
                await gateway.writer.put(copies)
            return found
        except ObjectChangedError:
            for name, upload in uploads.items():
                gateway.inspection_cache.forget(name, upload.key)
            if not looks_left:
                raise
    raise AssertionError("not reached")


async def _looked_at(
    gateway: Gateway, name: str, upload: Upload, spool: Spool
) -> tuple[str, InputInfo]:
    """An upload's tag and what the file with that tag is."""
    known = gateway.inspection_cache.get(name, upload.key)
    if known is not None and gateway.policy is None:
        return known
    file = spool.folder / name
    try:
        version = await to_thread.run_sync(gateway.objects.version, upload.key)
        limits = gateway.settings.limits
        most = limits.max_image_bytes if name == "image" else limits.max_driving_bytes
        if version.size_bytes > most:
            raise RejectedError(
                ErrorCode.BODY_TOO_LARGE, f"the upload {upload.id!r} has more than {most} bytes"
            )
        spool.reserve(name, version.size_bytes)
        await to_thread.run_sync(gateway.objects.fetch, upload.key, file)
    except ObjectMissingError as error:
        raise RejectedError(
            ErrorCode.UPLOAD_NOT_FOUND, f"nothing was sent to the upload {upload.id!r} yet"
        ) from error
    found = (await _inspected(gateway, {name: file}))[name]
    gateway.inspection_cache.put(name, upload.key, version.tag, found)
    return version.tag, found


def _key(job_id: str, name: str, found: InputInfo) -> str:
    return f"jobs/{job_id}/inputs/{name}{found.suffix}"
