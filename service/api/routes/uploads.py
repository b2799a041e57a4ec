"""Uploads: signed forms for sending big files to the object store, list, delete."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response

from service.api.dependencies import CallerDep, GatewayDep
from service.api.openapi.request_bodies import schema_of
from service.api.pagination import PAGED, PageCursor, next_page, read_cursor
from service.api.problems import problem_responses
from service.auth.authenticator import Caller
from service.contract.caller_views import StoredUploadView, UploadList
from service.contract.errors import ErrorCode
from service.contract.job import moment, new_job_id
from service.contract.requests import UploadRequest
from service.contract.views import PartForm, UploadView
from service.errors import RejectedError
from service.gateway import Gateway
from service.stores.job_store import uploads
from service.stores.job_store.commands import Cursor
from service.stores.job_store.uploads import ListedUpload, Upload
from service.stores.object_store.base import Content, ObjectMissingError, UploadForm, size_of
from service.stores.object_store.gateway_forms import UPLOAD_ROUTE
from service.submission.multipart import Part, receive
from service.submission.receive import read_json

router = APIRouter(tags=["uploads"])

# A form is valid for an hour; an uploaded file is kept for a day. Parts are sent one after the
# other, over a slow connection for hours, but must arrive before the upload is deleted.
FORM_TTL_S, PARTS_TTL_S = 3600, 23 * 3600
KEEP_MS = 24 * 3600 * 1000
MAX_FIELD_BYTES = 4096
MAX_PARTS = 1000
FORM_FIELDS = ("key", "max_bytes", "expires", "signature")
UPLOAD_BODY: dict[str, Any] = {
    "content": {
        "application/json": {"schema": schema_of(UploadRequest), "example": {"max_bytes": 5000000}}
    }
}


@router.post(
    "/uploads",
    status_code=201,
    summary="Create an upload form",
    openapi_extra={"requestBody": UPLOAD_BODY},
    responses=problem_responses(
        ErrorCode.BODY_TOO_LARGE,
        ErrorCode.UNSUPPORTED_MEDIA_TYPE,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.QUOTA_EXCEEDED,
        ErrorCode.UNAVAILABLE,
    ),
)
async def create_upload(request: Request, caller: CallerDep, gateway: GatewayDep) -> UploadView:
    """Return a signed upload form, limited to `max_bytes`.

    With a daily quota of bytes, `max_bytes` count from now on, and the file's actual size once a
    job uses the upload. A caller gets 100,000 forms a day (UTC), those of parts included.
    """
    # Read here, because FastAPI would read it before the caller is authenticated.
    body = await read_json(UploadRequest, request.headers, request.stream())
    limit = gateway.settings.limits.max_driving_bytes
    body = body or UploadRequest()
    max_bytes = body.max_bytes
    if max_bytes is None:
        max_bytes = min(caller.limits.input_bytes_per_day or limit, limit)
    if max_bytes > limit:
        raise RejectedError(
            ErrorCode.INVALID_REQUEST,
            f"max_bytes: {max_bytes:,} is over the service's limit of {limit:,} bytes for a file",
        )
    upload = Upload(
        id=new_job_id(), caller=caller.id, max_bytes=max_bytes, part_bytes=body.part_bytes
    )
    _check_parts(upload, gateway.settings.spool_bytes)
    await gateway.jobs.run(uploads.register_upload(upload, KEEP_MS, caller.limits))
    ttl_s = FORM_TTL_S if body.part_bytes is None else PARTS_TTL_S
    whole, *parts = await to_thread.run_sync(
        _forms,
        gateway,
        [(upload.key, max_bytes), *upload.parts()],
        ttl_s,
        limiter=gateway.store_threads,
    )
    return UploadView(
        id=upload.id,
        url=whole.url,
        fields=whole.fields,
        max_bytes=upload.max_bytes,
        expires_at=datetime.now(UTC) + timedelta(seconds=ttl_s),
        parts=[PartForm(**part._asdict()) for part in parts] or None,
    )


def _check_parts(upload: Upload, spool_bytes: int) -> None:
    max_bytes, part_bytes = upload.max_bytes, upload.part_bytes
    if part_bytes is not None and max_bytes > part_bytes * MAX_PARTS:
        least = -(-max_bytes // MAX_PARTS)
        raise RejectedError(
            ErrorCode.INVALID_REQUEST,
            f"part_bytes: must be at least {least:,} for {max_bytes:,} bytes, got {part_bytes:,}: "
            f"a file has at most {MAX_PARTS:,} parts",
        )
    if upload.join_bytes > spool_bytes:
        raise RejectedError(
            ErrorCode.INVALID_REQUEST,
            f"part_bytes: must be at most {spool_bytes - max_bytes:,} for {max_bytes:,} bytes, got "
            f"{part_bytes:,}: a gateway joins a file in {spool_bytes:,} bytes of disk "
            f"(TCAN_SPOOL_BYTES), which also hold a part",
        )


def _forms(gateway: Gateway, wanted: list[tuple[str, int]], ttl_s: int) -> list[UploadForm]:
    """Return a form for each key and maximum size, of the store or else of the gateway."""
    return [
        gateway.objects.form(key, max_bytes, ttl_s)
        or gateway.upload_forms.form(key, max_bytes, ttl_s)
        for key, max_bytes in wanted
    ]


@router.post(
    "/uploads/{upload_id}/join",
    status_code=204,
    summary="Make the file of an upload's parts",
    responses=problem_responses(ErrorCode.UPLOAD_NOT_FOUND, ErrorCode.UNAVAILABLE),
)
async def join_upload(upload_id: str, caller: CallerDep, gateway: GatewayDep) -> None:
    """Make the file of an upload whose parts were all sent; it may be asked for again.

    A gateway joins two uploads of a caller at a time; further requests are 503 `unavailable`.
    """
    upload = await _read(gateway, caller, upload_id)
    async with gateway.join_slots.hold(caller.id):
        with gateway.open_spool(caller.id) as spool:
            spool.reserve("file and part", upload.join_bytes)
            folder, threads = spool.folder, gateway.store_threads
            await to_thread.run_sync(_join, gateway, upload, folder, limiter=threads)


def _join(gateway: Gateway, upload: Upload, folder: Path) -> None:
    whole, piece = folder / "whole", folder / "piece"
    if gateway.objects.exists(upload.key):
        return
    keys = [key for key, _ in upload.parts()]
    if not keys:
        detail = f"the upload {upload.id!r} was not made with part_bytes: send its file by its form"
        raise RejectedError(ErrorCode.UPLOAD_NOT_FOUND, detail)
    with whole.open("wb") as joined:
        for number, key in enumerate(keys, 1):
            try:
                gateway.objects.fetch(key, piece)
            except ObjectMissingError as error:
                if gateway.objects.exists(upload.key):
                    return  # another request has joined it meanwhile
                detail = f"part {number} of {len(keys)} was not sent; send it, then join again"
                raise RejectedError(ErrorCode.UPLOAD_NOT_FOUND, detail) from error
            with piece.open("rb") as part:
                shutil.copyfileobj(part, joined)
    # Jobs that are being submitted refuse a file that was replaced after its inspection.
    if not gateway.objects.exists(upload.key):
        gateway.objects.put(upload.key, whole)
    gateway.objects.delete(upload.folder_of_parts)


@router.get(
    "/uploads",
    summary="List your uploads",
    responses=PAGED | problem_responses(ErrorCode.INVALID_REQUEST, ErrorCode.UNAVAILABLE),
)
async def list_uploads(
    request: Request,
    response: Response,
    caller: CallerDep,
    gateway: GatewayDep,
    limit: Annotated[int, Query(ge=1, le=200, description="Uploads per page.")] = 50,
    cursor: PageCursor = None,
) -> UploadList:
    """List the caller's uploads, newest first, with the size of each file that was sent."""
    after = None if cursor is None else read_cursor(cursor)
    listed = await gateway.jobs.run(uploads.list_uploads(caller.id, limit, after))
    sizes = await asyncio.gather(*(_size(gateway, each.upload) for each in listed))
    last = Cursor(listed[-1].created_ms, listed[-1].upload.id) if len(listed) == limit else None
    url = f"{gateway.settings.public_url}/uploads"
    following = next_page(url, request.query_params.multi_items(), last)
    if following is not None:
        response.headers["Link"] = f'<{following}>; rel="next"'
    views = [_view(*pair) for pair in zip(listed, sizes, strict=True)]
    return UploadList(uploads=views, next=following)


@router.delete(
    "/uploads/{upload_id}",
    status_code=204,
    summary="Delete an upload",
    responses=problem_responses(ErrorCode.UPLOAD_NOT_FOUND, ErrorCode.UNAVAILABLE),
)
async def delete_upload(upload_id: str, caller: CallerDep, gateway: GatewayDep) -> None:
    """Delete an upload and its file. Jobs that use it keep their copies."""
    upload = await _read(gateway, caller, upload_id)
    await to_thread.run_sync(
        gateway.objects.delete, f"uploads/{upload.id}", limiter=gateway.store_threads
    )
    await gateway.jobs.run(uploads.forget_upload(upload.id, keep_end=True))


async def _read(gateway: Gateway, caller: Caller, upload_id: str) -> Upload:
    """Return an upload that the caller may see. Raises RejectedError (`upload_not_found`)."""
    [upload] = await gateway.jobs.run(uploads.read_uploads([upload_id]))
    if upload is None or not (caller.sees_all or upload.caller == caller.id):
        raise RejectedError(
            ErrorCode.UPLOAD_NOT_FOUND, f"there is no upload {upload_id!r}; it may have expired"
        )
    return upload


async def _size(gateway: Gateway, upload: Upload) -> int | None:
    """Return the size of an upload's file, or None while there is none."""
    try:
        version = await to_thread.run_sync(
            gateway.objects.version, upload.key, limiter=gateway.upload_lookups
        )
    except ObjectMissingError:
        return None
    return version.size_bytes


def _view(listed: ListedUpload, size_bytes: int | None) -> StoredUploadView:
    return StoredUploadView(
        id=listed.upload.id,
        max_bytes=listed.upload.max_bytes,
        size_bytes=size_bytes,
        created_at=moment(listed.created_ms),
        expires_at=moment(listed.expires_ms),
    )


FORM_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": [*FORM_FIELDS, "file"],
                "additionalProperties": False,
                "properties": {
                    **{name: {"type": "string"} for name in FORM_FIELDS},
                    "file": {"type": "string", "format": "binary"},
                },
            },
            "example": {
                "key": "uploads/5f1c0c3a9c4b4b6f8e5d0f6a7b8c9d0e/file",
                "max_bytes": "1073741824",
                "expires": "1795341600",
                "signature": "...",
                "file": "content of walk.mp4",
            },
        }
    },
}


@router.post(
    UPLOAD_ROUTE,
    status_code=204,
    summary="Upload by a signed form of the gateway",
    openapi_extra={"requestBody": FORM_BODY},
    responses=problem_responses(
        ErrorCode.MALFORMED_BODY,
        ErrorCode.INVALID_SIGNATURE,
        ErrorCode.NOT_FOUND,
        ErrorCode.BODY_TOO_LARGE,
        ErrorCode.UNSUPPORTED_MEDIA_TYPE,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.UNAVAILABLE,
    ),
)
async def put_object(request: Request, gateway: GatewayDep) -> None:
    """Accept a file with a form from `POST /uploads` whose URL is this route.

    That is so on the folder store, and on S3 servers without POST; others accept their own forms.

    The fields must come before the file, as in S3: the signature is checked before anything of
    the file is stored.
    """
    parts = {name: Part(MAX_FIELD_BYTES) for name in FORM_FIELDS}
    parts["file"] = Part(
        gateway.settings.limits.max_driving_bytes,
        admit=lambda form: gateway.upload_forms.admit(_fields(form)),
    )
    with gateway.open_spool() as spool:
        form = await receive(request.headers, request.stream(), parts, spool)
        fields = _fields(form)
        if size_of(form["file"]) == 0:
            raise RejectedError(
                ErrorCode.INVALID_REQUEST,
                f"file: is empty; 1 to {fields['max_bytes']} bytes are allowed",
            )
        await to_thread.run_sync(
            gateway.objects.put, fields["key"], form["file"], limiter=gateway.store_threads
        )


def _fields(found: Mapping[str, Content]) -> dict[str, str]:
    """Return the form's fields. Raises RejectedError when one does not precede the file."""
    fields = {}
    for name in FORM_FIELDS:
        content = found.get(name)
        if content is None:
            raise RejectedError(
                ErrorCode.INVALID_SIGNATURE, f"the part {name!r} must come before the part 'file'"
            )
        assert isinstance(content, bytes)  # a field is too short for a file
        fields[name] = content.decode("utf-8", "replace")
    return fields
