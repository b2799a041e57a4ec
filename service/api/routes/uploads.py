"""POST /uploads: signed forms for sending big files to the object store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request

from service.api.dependencies import CallerDep, GatewayDep
from service.api.openapi.request_bodies import schema_of
from service.api.problems import problem_responses
from service.contract.errors import ErrorCode
from service.contract.job import new_job_id
from service.contract.requests import UploadRequest
from service.contract.views import UploadView
from service.errors import RejectedError
from service.stores.job_store import uploads
from service.stores.job_store.uploads import Upload
from service.stores.object_store.base import Content, size_of
from service.stores.object_store.gateway_forms import UPLOAD_ROUTE
from service.submission.multipart import Part, receive
from service.submission.receive import read_json
from service.submission.spool import Spool

router = APIRouter(tags=["uploads"])

# A form is valid for an hour; an uploaded file is kept for a day.
FORM_TTL_S = 3600
KEEP_MS = 24 * 3600 * 1000
MAX_FIELD_BYTES = 4096
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
    job uses the upload.
    """
    # Read here, because FastAPI would read it before the caller is authenticated.
    body = await read_json(UploadRequest, request.headers, request.stream())
    limit = gateway.settings.limits.max_driving_bytes
    max_bytes = None if body is None else body.max_bytes
    if max_bytes is None:
        max_bytes = min(caller.limits.input_bytes_per_day or limit, limit)
    if max_bytes > limit:
        raise RejectedError(
            ErrorCode.INVALID_REQUEST,
            f"max_bytes: {max_bytes:,} is over the service's limit of {limit:,} bytes for a file",
        )
    upload = Upload(id=new_job_id(), caller=caller.id, max_bytes=max_bytes)
    await gateway.jobs.run(uploads.register_upload(upload, KEEP_MS, caller.limits))
    wanted = (upload.key, upload.max_bytes, FORM_TTL_S)
    form = await to_thread.run_sync(gateway.objects.form, *wanted)
    form = form or gateway.upload_forms.form(*wanted)
    return UploadView(
        id=upload.id,
        url=form.url,
        fields=form.fields,
        max_bytes=upload.max_bytes,
        expires_at=datetime.now(UTC) + timedelta(seconds=FORM_TTL_S),
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
    with Spool(gateway.settings.spool_folder, gateway.disk_budget) as spool:
        form = await receive(request.headers, request.stream(), parts, spool)
        fields = _fields(form)
        if size_of(form["file"]) == 0:
            raise RejectedError(
                ErrorCode.INVALID_REQUEST,
                f"file: is empty; 1 to {fields['max_bytes']} bytes are allowed",
            )
        await to_thread.run_sync(gateway.objects.put, fields["key"], form["file"])


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
