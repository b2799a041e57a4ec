"""Checks of the object store: each right that the service needs is tried."""

from __future__ import annotations

import os
import secrets
import shutil
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
from botocore.exceptions import BotoCoreError, ClientError

from cli.checkup.finding import Finding, Level, error, ok, warning
from cli.checkup.store_errors import BUCKET, FOLDER, RIGHTS, status_fix, store_fix
from cli.private_files import make_private
from service.errors import ServiceError
from service.settings import Settings
from service.stores.object_store.base import Copy, ObjectStore
from service.stores.object_store.open import open_objects

CONTENT = b"tcan doctor was here"
MIN_FREE = 0.1
TIMEOUT_S = 5.0
FORM_TTL_S = 60
PUBLIC = "set TCAN_S3_PUBLIC_ENDPOINT_URL to an address of the store that callers can reach"


def check(settings: Settings, *, fix: bool = False) -> Iterator[Finding]:
    """Write, stat, copy, read, link, upload and erase objects; `fix` creates a missing bucket."""
    place = _folder(settings) if settings.s3_bucket is None else _bucket(settings, fix)
    if place is not None:
        yield place
        if place.level is Level.ERROR:
            return
    store, prefix = open_objects(settings), f"doctor/{secrets.token_hex(8)}"
    try:
        yield from _use(store, prefix)
        if settings.s3_bucket is not None:
            with httpx.Client(timeout=TIMEOUT_S, verify=_tls_context(settings)) as http:
                yield _link(store, prefix, http)
                yield _form(store, prefix, http)
    except ServiceError as failed:
        yield error("rights", str(failed), store_fix(failed))
    finally:
        yield from _erase(store, prefix)


def _folder(settings: Settings) -> Finding:
    """Return a problem of the folder, or how full its disk is."""
    folder = settings.objects_folder
    try:
        make_private(settings.data)
        make_private(folder)
    except OSError as failed:
        return error("folder", f"{folder} cannot be created: {failed.strerror}", FOLDER)
    if not os.access(folder, os.W_OK):
        return error("folder", f"{folder} is not writable", FOLDER)
    disk = shutil.disk_usage(folder)
    detail = f"{disk.free / 2**30:.1f} of {disk.total / 2**30:.1f} GiB are free on the disk"
    if disk.free < MIN_FREE * disk.total:
        return warning("disk", detail, "free some space, or keep ended jobs shorter (ttl_s)")
    return ok("disk", detail)


def _bucket(settings: Settings, fix: bool) -> Finding | None:
    """Return a problem of the bucket, or that it was created; None if it exists."""
    from service.stores.object_store.s3 import make_client

    assert settings.s3_bucket is not None
    client = make_client(settings, settings.s3_endpoint_url)
    try:
        client.head_bucket(Bucket=settings.s3_bucket)
        return None
    except ClientError as failed:
        if store_fix(failed) != BUCKET:
            return error("bucket", f"{settings.s3_bucket}: {failed}", store_fix(failed))
    except BotoCoreError as failed:
        store = settings.s3_endpoint_url or "Amazon S3"
        return error("bucket", f"{store} does not answer: {failed}", store_fix(failed))
    if not fix:
        return error("bucket", f"there is no bucket {settings.s3_bucket!r}", BUCKET)
    try:
        client.create_bucket(Bucket=settings.s3_bucket)
    except (BotoCoreError, ClientError) as failed:
        detail = f"{settings.s3_bucket} could not be created: {failed}"
        return error("bucket", detail, f"create it by hand; {store_fix(failed)}")
    return ok("bucket", f"{settings.s3_bucket} was missing; created it")


def _use(store: ObjectStore, prefix: str) -> Iterator[Finding]:
    """Use the store; raises ServiceError when a right is missing."""
    key = f"{prefix}/probe.txt"
    store.put(key, CONTENT)
    version = store.version(key)
    store.put_new({f"{prefix}/copy.txt": Copy(key, version.tag)})
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "probe"
        store.fetch(f"{prefix}/copy.txt", file)
        if file.read_bytes() != CONTENT:
            yield error("content", "an object reads back with other content", "check the store")
            return
    yield ok("rights", "an object was written, copied and read")


def _tls_context(settings: Settings) -> ssl.SSLContext | bool:
    from service.stores.object_store.s3 import tls_context

    return tls_context(settings)


def _link(store: ObjectStore, prefix: str, http: httpx.Client) -> Finding:
    url = store.link(f"{prefix}/probe.txt", "probe.txt")
    address = url.partition("?")[0].removesuffix(f"/{prefix}/probe.txt")
    try:
        response = http.get(url, headers={"Range": "bytes=0-3"})
    except httpx.HTTPError as failed:
        detail = f"{address} cannot be reached from here ({failed}); try it from a caller's machine"
        return warning("links", detail, PUBLIC)
    if response.status_code != 206 or response.content != CONTENT[:4]:
        detail = f"{address} answers a signed link with {response.status_code} instead of 206"
        return error("links", detail, response_fix(response, PUBLIC))
    return ok("links", f"{address} serves signed links and byte ranges")


def _form(store: ObjectStore, prefix: str, http: httpx.Client) -> Finding:
    """Upload by a presigned POST, which must reject more bytes than it allows."""
    form = store.form(f"{prefix}/upload.txt", len(CONTENT), FORM_TTL_S)
    if form is None:
        detail = "the store accepts no presigned POST; files are uploaded through the gateway"
        return ok("uploads", detail)
    responses = []
    try:
        for content in (CONTENT + b"!", CONTENT):
            file = {"file": ("upload.txt", content)}
            responses.append(http.post(form.url, data=form.fields, files=file))
    except httpx.HTTPError as failed:
        detail = (
            f"{form.url} cannot be reached from here ({failed}); try it from a caller's machine"
        )
        return warning("uploads", detail, PUBLIC)
    too_big, right = responses
    if too_big.is_success:
        detail = "a presigned POST accepts more bytes than it allows"
        return error("uploads", detail, "use a store that enforces content-length-range")
    if not right.is_success or not store.exists(f"{prefix}/upload.txt"):
        detail = f"{form.url} answers a presigned POST with {right.status_code}: {right.text[:200]}"
        return error("uploads", detail, response_fix(right, f"{RIGHTS}; {PUBLIC}"))
    return ok("uploads", "a presigned POST stores a file, and rejects a larger one")


def response_fix(response: httpx.Response, otherwise: str) -> str:
    """Return the fix for a response that is a fault of the store itself, or another one."""
    return status_fix(response.status_code) if response.is_server_error else otherwise


def _erase(store: ObjectStore, prefix: str) -> Iterator[Finding]:
    try:
        store.delete(prefix)
        if store.exists(f"{prefix}/probe.txt"):
            yield error("erasing", "an erased object still exists", RIGHTS)
        else:
            yield ok("erasing", "objects can be listed and erased")
    except ServiceError as failed:
        yield error("erasing", str(failed), store_fix(failed))
