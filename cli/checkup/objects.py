"""The object store: each right that the service needs, found out by using it."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from cli.checkup.finding import Finding, error, ok, warning
from service.errors import ServiceError
from service.settings import Settings
from service.stores.object_store.base import Copy, ObjectStore
from service.stores.object_store.open import open_objects

AREA = "objects"
CONTENT = b"tcan doctor was here"
LEAST_FREE = 0.1
TIMEOUT_S = 5.0
FORM_TTL_S = 60
PUBLIC = "TCAN_S3_PUBLIC_ENDPOINT_URL must be an address of the store that callers reach"
RIGHTS = "give the key read, write, delete and list rights on the bucket"


def look(settings: Settings, *, mend: bool = False) -> Iterator[Finding]:
    """Write, look, copy, read, link, upload, erase; with `mend` a missing bucket is made."""
    if settings.s3_bucket is None:
        yield from _folder(settings)
    elif (missing := _bucket(settings, mend)) is not None:
        yield missing
        if missing.mend:
            return
    store, prefix = open_objects(settings), f"doctor/{secrets.token_hex(8)}"
    try:
        yield from _use(store, prefix)
        if settings.s3_bucket is not None:
            yield _link(store, prefix)
            yield _form(store, prefix)
    except ServiceError as failed:
        yield error(AREA, "rights", str(failed), RIGHTS)
    finally:
        yield from _erase(store, prefix)


def _folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.objects_folder
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        yield error(AREA, "folder", f"{folder} cannot be written", "give this user the folder")
    disk = shutil.disk_usage(folder)
    told = f"{disk.free / 2**30:.1f} of {disk.total / 2**30:.1f} GiB are free on the disk"
    if disk.free < LEAST_FREE * disk.total:
        yield warning(AREA, "disk", told, "make room, or let ended jobs go earlier (ttl_s)")
    else:
        yield ok(AREA, "disk", told)


def _bucket(settings: Settings, mend: bool) -> Finding | None:
    """What is wrong with the bucket, or that it was made; None when it is there."""
    from service.stores.object_store.s3 import make_client

    assert settings.s3_bucket is not None
    client = make_client(settings, settings.s3_endpoint_url)
    try:
        client.head_bucket(Bucket=settings.s3_bucket)
        return None
    except ClientError as failed:
        code = failed.response["Error"].get("Code", "")
        if code not in ("404", "NoSuchBucket"):
            return error(AREA, "bucket", f"{settings.s3_bucket}: {failed}", RIGHTS)
    except BotoCoreError as failed:
        where = settings.s3_endpoint_url or "Amazon S3"
        return error(
            AREA, "bucket", f"{where} does not answer: {failed}", "check TCAN_S3_ENDPOINT_URL"
        )
    if not mend:
        told = f"there is no bucket {settings.s3_bucket!r}"
        return error(AREA, "bucket", told, "make it, or run tcan doctor --mend")
    try:
        client.create_bucket(Bucket=settings.s3_bucket)
    except (BotoCoreError, ClientError) as failed:
        return error(AREA, "bucket", f"it could not be made: {failed}", "make it by hand")
    return ok(AREA, "bucket", f"{settings.s3_bucket} was missing and is made")


def _use(store: ObjectStore, prefix: str) -> Iterator[Finding]:
    """Each step raises ServiceError where the right is missing."""
    key = f"{prefix}/probe.txt"
    store.put(key, CONTENT)
    version = store.version(key)
    store.put_new({f"{prefix}/copy.txt": Copy(key, version.tag)})
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "probe"
        store.fetch(f"{prefix}/copy.txt", file)
        if file.read_bytes() != CONTENT:
            yield error(AREA, "content", "what is read is not what was written", "check the store")
            return
    yield ok(AREA, "rights", "an object was written, looked at, copied and read")


def _link(store: ObjectStore, prefix: str) -> Finding:
    url = store.link(f"{prefix}/probe.txt", "probe.txt")
    place = url.partition("?")[0].removesuffix(f"/{prefix}/probe.txt")
    try:
        answer = httpx.get(url, headers={"Range": "bytes=0-3"}, timeout=TIMEOUT_S)
    except httpx.HTTPError as failed:
        told = f"{place} is not reached from here ({failed}); try it from where callers are"
        return warning(AREA, "links", told, PUBLIC)
    if answer.status_code != 206 or answer.content != CONTENT[:4]:
        told = f"{place} answers a signed link with {answer.status_code} instead of 206"
        return error(AREA, "links", told, PUBLIC)
    return ok(AREA, "links", f"{place} serves signed links, and parts of files")


def _form(store: ObjectStore, prefix: str) -> Finding:
    """Whether callers' uploads come in by a presigned POST, and no more bytes than it allows."""
    form = store.form(f"{prefix}/upload.txt", len(CONTENT), FORM_TTL_S)
    answers = []
    try:
        for content in (CONTENT + b"!", CONTENT):
            file = {"file": ("upload.txt", content)}
            answers.append(httpx.post(form.url, data=form.fields, files=file, timeout=TIMEOUT_S))
    except httpx.HTTPError as failed:
        told = f"{form.url} is not reached from here ({failed}); try it from where callers are"
        return warning(AREA, "uploads", told, PUBLIC)
    too_big, right = answers
    if too_big.is_success:
        told = "a presigned POST takes more bytes than it allows"
        return error(AREA, "uploads", told, "use a store that holds to content-length-range")
    if not right.is_success or not store.exists(f"{prefix}/upload.txt"):
        told = f"{form.url} answers a presigned POST with {right.status_code}: {right.text[:200]}"
        return error(AREA, "uploads", told, f"{RIGHTS}; {PUBLIC}")
    return ok(AREA, "uploads", "a presigned POST stores a file, and none beyond its size")


def _erase(store: ObjectStore, prefix: str) -> Iterator[Finding]:
    try:
        store.delete(prefix)
        if store.exists(f"{prefix}/probe.txt"):
            yield error(AREA, "erasing", "an erased object is still there", RIGHTS)
        else:
            yield ok(AREA, "erasing", "objects can be listed and erased")
    except ServiceError as failed:
        yield error(AREA, "erasing", str(failed), RIGHTS)
