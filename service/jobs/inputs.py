"""Inspect the inputs of a request and store them as the job's own objects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from anyio import to_thread

from service.auth.authenticator import Caller
from service.contract.errors import ErrorCode
from service.contract.job import ANONYMOUS, DrivingKind, JobInputs
from service.contract.params import JobParams
from service.errors import RejectedError
from service.gateway import Gateway
from service.inspection.inspector import InputInfo, are_quick, inspect_inputs, memory_bytes
from service.jobs.policy_check import check_policy
from service.jobs.trimming import check_trim, trimmed
from service.stores.job_store.uploads import read_uploads
from service.stores.object_store.base import (
    Content,
    Copy,
    New,
    ObjectChangedError,
    ObjectMissingError,
)
from service.submission.fetch import fetch
from service.submission.receive import SubmissionBody
from service.submission.spool import Spool

CheckFiles = Callable[[Mapping[str, Content], Mapping[str, InputInfo]], Awaitable[None]]
# Attempts to copy an object that is replaced while it is being inspected.
COPY_ATTEMPTS = 3


class _Source(NamedTuple):
    """An object that becomes an input of the job; `missing` is raised if it does not exist."""

    key: str
    missing: RejectedError


async def take_inputs(
    gateway: Gateway, caller: Caller, received: SubmissionBody, job_id: str, spool: Spool
) -> JobInputs:
    """Store the inputs of a job durably.

    Args:
        spool: holds inputs that are fetched from URLs or uploads.

    Raises:
        RejectedError: an input is missing, invalid, or refused by the policy.
        UnavailableError: the store does not answer.
    """
    contents = {**received.files, **await _fetch_urls(gateway, received, spool)}
    params = received.params
    infos = await _inspect(gateway, caller, contents, params)
    check_trim(infos, params.trim)
    sources = _stored_sources(received) | await _upload_sources(gateway, caller, received)

    async def check_with(files: Mapping[str, Content], found: Mapping[str, InputInfo]) -> None:
        check_trim(found, params.trim)
        await check_policy(gateway.policy, received, caller, {**contents, **files})

    infos |= await _copy_sources(gateway, caller, sources, params, job_id, spool, check_with)
    keys = {name: _key(job_id, name, info) for name, info in infos.items()}
    if contents:
        await gateway.writer.put({keys[name]: content for name, content in contents.items()})
    image, image_pose = keys.get("image"), keys.get("image_pose")
    size_bytes = sum(info.size_bytes for info in infos.values())
    if "driving" not in infos:
        assert image is not None
        return JobInputs(
            image=image,
            image_pose=image_pose,
            driving=image,
            driving_kind=DrivingKind.VIDEO,
            frames=1,
            size_bytes=size_bytes,
        )
    driving = trimmed(infos["driving"], params.trim)
    assert driving.kind is not None
    return JobInputs(
        image=image,
        image_pose=image_pose,
        driving=keys["driving"],
        driving_kind=driving.kind,
        frames=driving.frames,
        seconds=driving.seconds,
        size_bytes=size_bytes,
    )


async def _fetch_urls(
    gateway: Gateway, received: SubmissionBody, spool: Spool
) -> dict[str, Content]:
    """Download the inputs that are given by URL."""
    files: dict[str, Content] = {}
    for name, url in received.urls.items():
        file = files[name] = spool.folder / name
        most = gateway.settings.limits.max_bytes()[name]
        timeout_s, reserve = gateway.settings.fetch_timeout_s, partial(spool.reserve, name)
        try:
            await fetch(gateway.guard, url, file, most, timeout_s, reserve)
        except RejectedError as error:
            raise error.about(name) from error
    return files


async def _inspect(
    gateway: Gateway, caller: Caller, contents: Mapping[str, Content], params: JobParams
) -> dict[str, InputInfo]:
    limits, decoder, options = gateway.settings.limits, gateway.decoder, _pose_options(params)
    if are_quick(contents):
        return inspect_inputs(contents, limits, decoder, pose_options=options)
    # Callers without a key are one caller if they are all on this machine.
    strangers = caller.id == ANONYMOUS and gateway.settings.anonymous == "anywhere"
    owner = None if strangers else caller.id
    async with gateway.child_pool.slot(owner, memory_bytes(contents, limits)) as slot:
        return await to_thread.run_sync(inspect_inputs, contents, limits, decoder, slot, options)


def _pose_options(params: JobParams) -> dict[str, Any]:
    return params.model_dump(include={"layout", "canvas", "fps"})


def _stored_sources(received: SubmissionBody) -> dict[str, _Source]:
    """Return the inputs of an earlier job."""
    detail = "this input of the job is no longer stored; submit it again by POST /animate"
    erased = RejectedError(ErrorCode.INPUTS_ERASED, detail)
    return {name: _Source(key, erased.about(name)) for name, key in received.stored.items()}


async def _upload_sources(
    gateway: Gateway, caller: Caller, received: SubmissionBody
) -> dict[str, _Source]:
    """Return the uploads in a request. Raises RejectedError (`upload_not_found`)."""
    if not received.uploads:
        return {}
    stored_uploads = await gateway.jobs.run(read_uploads(tuple(received.uploads.values())))
    sources = {}
    for (name, upload_id), upload in zip(received.uploads.items(), stored_uploads, strict=True):
        if upload is None or upload.caller != caller.id:
            raise RejectedError(
                ErrorCode.UPLOAD_NOT_FOUND,
                f"{name}: there is no upload {upload_id!r}; it may have expired, or belong to "
                f"another caller",
            )
        missing = RejectedError(
            ErrorCode.UPLOAD_NOT_FOUND,
            f"{name}: the upload {upload_id!r} has no file yet; send it to the upload's URL first",
        )
        sources[name] = _Source(upload.key, missing)
    return sources


async def _copy_sources(
    gateway: Gateway,
    caller: Caller,
    sources: Mapping[str, _Source],
    params: JobParams,
    job_id: str,
    spool: Spool,
    check: CheckFiles,
) -> dict[str, InputInfo]:
    """Copy objects into the job: exactly the bytes that were inspected and passed the policy."""
    for attempts_left in range(COPY_ATTEMPTS - 1, -1, -1):
        copies: dict[str, New] = {}
        found: dict[str, InputInfo] = {}
        for name, source in sources.items():
            tag, found[name] = await _inspect_source(gateway, caller, name, source, params, spool)
            copies[_key(job_id, name, found[name])] = Copy(source.key, tag)
        await check({name: spool.folder / name for name in sources}, found)
        try:
            if copies:
                await gateway.writer.put(copies)
            return found
        except ObjectChangedError:
            for name, source in sources.items():
                gateway.inspection_cache.forget(_cache_role(name, params), source.key)
            if not attempts_left:
                raise
    raise AssertionError("not reached")


async def _inspect_source(
    gateway: Gateway, caller: Caller, name: str, source: _Source, params: JobParams, spool: Spool
) -> tuple[str, InputInfo]:
    """Return an object's tag and the description of the file with that tag."""
    role = _cache_role(name, params)
    cached = gateway.inspection_cache.get(role, source.key)
    if cached is not None and gateway.policy is None:
        return cached
    file, threads = spool.folder / name, gateway.store_threads
    try:
        version = await to_thread.run_sync(gateway.objects.version, source.key, limiter=threads)
        most = gateway.settings.limits.max_bytes()[name]
        if version.size_bytes > most:
            raise RejectedError(
                ErrorCode.BODY_TOO_LARGE,
                f"{name}: the file has {version.size_bytes:,} bytes, the limit is {most:,}",
            )
        spool.reserve(name, version.size_bytes)
        await to_thread.run_sync(gateway.objects.fetch, source.key, file, limiter=threads)
    except ObjectMissingError as error:
        raise source.missing from error
    info = (await _inspect(gateway, caller, {name: file}, params))[name]
    gateway.inspection_cache.put(role, source.key, version.tag, info)
    return version.tag, info


def _cache_role(name: str, params: JobParams) -> str:
    """Return the role for the cache: what is found in a pose file depends on its options."""
    return name if name == "image" else f"{name} {_pose_options(params)}"


def _key(job_id: str, name: str, found: InputInfo) -> str:
    return f"jobs/{job_id}/inputs/{name}{found.suffix}"
