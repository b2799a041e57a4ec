"""POST /animate, POST /poses and POST /jobs/{id}/retry: submit a job."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response

from service.api.dependencies import CallerDep, GatewayDep
from service.api.long_poll import POLL_AFTER_S, WAITED_S, requested_wait_s, wait_for_end
from service.api.openapi.request_bodies import request_body, schema_of
from service.api.problems import problem_responses
from service.api.stream_slots import stream_slot
from service.auth.authenticator import Caller
from service.contract.errors import ErrorCode
from service.contract.job import JobKind, Output
from service.contract.requests import RetryRequest
from service.contract.views import JobView
from service.gateway import Gateway
from service.jobs.submission import submit_job
from service.stores.job_store import keys
from service.stores.job_store.snapshots import JobSnapshot
from service.submission.receive import is_json, read_json_text, read_request
from service.submission.retry import read_retry

router = APIRouter(tags=["submit"])

# Routes that read their bodies as a stream.
STREAMED = {JobKind.ANIMATE: "/animate", JobKind.POSES: "/poses"}

HEADERS: dict[str, Any] = {
    "Location": {"description": "URL of the job.", "schema": {"type": "string"}},
    "Idempotency-Replayed": {
        "description": "`true` when the same request created this job before.",
        "schema": {"type": "string"},
    },
    "Preference-Applied": {"schema": {"type": "string"}},
}
# OpenAPI links: operations that take the id of the new job.
LINKS: dict[str, Any] = {
    name: {"operationId": name, "parameters": {"job_id": "$response.body#/id"}}
    for name in ("get_job", "cancel_job", "erase_job", *(f"get_{output}" for output in Output))
}
ACCEPTED: dict[int | str, dict[str, Any]] = {
    200: {"model": JobView, "description": "The job has ended", "headers": HEADERS, "links": LINKS},
    202: {
        "description": "The job has been accepted",
        "headers": HEADERS | {"Retry-After": {"schema": {"type": "integer"}}},
        "links": LINKS,
    },
}
ERRORS = (
    ErrorCode.INVALID_REQUEST,
    ErrorCode.MALFORMED_BODY,
    ErrorCode.BODY_TOO_LARGE,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    ErrorCode.INVALID_PARAMS,
    ErrorCode.UPLOAD_NOT_FOUND,
    ErrorCode.PRESET_NOT_SERVED,
    ErrorCode.IDEMPOTENCY_KEY_IN_USE,
    ErrorCode.IDEMPOTENCY_KEY_REUSED,
    ErrorCode.JOB_ERASED,
    ErrorCode.CONSENT_REQUIRED,
    ErrorCode.POLICY_REFUSED,
    ErrorCode.QUOTA_EXCEEDED,
    ErrorCode.TOO_MANY_STREAMS,
    ErrorCode.UNAVAILABLE,
    ErrorCode.URL_REFUSED,
    ErrorCode.URL_FAILED,
    ErrorCode.INVALID_IMAGE,
    ErrorCode.IMAGE_TOO_SMALL,
    ErrorCode.IMAGE_TOO_LARGE,
    ErrorCode.IMAGE_TOO_NARROW,
    ErrorCode.INVALID_VIDEO,
    ErrorCode.VIDEO_TOO_SMALL,
    ErrorCode.VIDEO_TOO_LARGE,
    ErrorCode.VIDEO_TOO_LONG,
    ErrorCode.DECODER_STOPPED,
    ErrorCode.INVALID_POSE_FILE,
    ErrorCode.NO_PERSON,
)
RESPONSES = ACCEPTED | problem_responses(*ERRORS)
RETRY_BODY: dict[str, Any] = {
    "content": {
        "application/json": {
            "schema": schema_of(RetryRequest),
            "example": {"params": {"seed": 8}},
        }
    }
}

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="A string of 1 to 255 characters. The same request with the same key within "
        "24 h returns the same job.",
        examples=["8e03978e-40d5-43e8-bc93-6894a57f9324"],
    ),
]
Prefer = Annotated[
    str | None,
    Header(
        description="`wait=N`: respond when the job has ended, or after N seconds (1 to 60).",
        examples=["wait=30"],
    ),
]


@router.post(
    STREAMED[JobKind.ANIMATE],
    status_code=202,
    response_model=JobView,
    summary="Submit an animation",
    openapi_extra={"requestBody": request_body(JobKind.ANIMATE)},
    responses=RESPONSES,
)
async def animate(
    request: Request, caller: CallerDep, gateway: GatewayDep, key: Key = None, prefer: Prefer = None
) -> Response:
    """Validate the inputs and queue the job.

    The body is streamed. Invalid inputs are refused with a specific code; whether a driving video
    shows a person is checked later, by the job itself.
    """
    with _wait_slot(request, caller, prefer):
        submitted = await _submit(request, JobKind.ANIMATE, caller, gateway, key)
        return await _respond(request, gateway, caller, *submitted, prefer)


@router.post(
    STREAMED[JobKind.POSES],
    status_code=202,
    response_model=JobView,
    summary="Submit a pose preview",
    openapi_extra={"requestBody": request_body(JobKind.POSES)},
    responses=RESPONSES,
)
async def poses(
    request: Request, caller: CallerDep, gateway: GatewayDep, key: Key = None, prefer: Prefer = None
) -> Response:
    """Queue a job that finds the poses of a driving file, of an image, or of both, without a GPU.

    Outputs of a driving file are `keypoints`, a pose file that `POST /animate` accepts as driving
    input, `pose`, a video of the skeletons, `analysis`, and `review`, a video of the frames with
    their skeletons. The output of an image is `image_keypoints`, which `POST /animate` accepts as
    `image_pose`. With both there is `fit`, a video of the placed skeletons over the image, and
    warnings say how they fit. `poster` is the first frame of what was made, a PNG.
    """
    with _wait_slot(request, caller, prefer):
        submitted = await _submit(request, JobKind.POSES, caller, gateway, key)
        return await _respond(request, gateway, caller, *submitted, prefer)


@router.post(
    "/jobs/{job_id}/retry",
    status_code=202,
    response_model=JobView,
    summary="Submit a job again",
    openapi_extra={"requestBody": RETRY_BODY},
    responses=ACCEPTED
    | problem_responses(*ERRORS, ErrorCode.JOB_NOT_FOUND, ErrorCode.INPUTS_ERASED),
)
async def retry(
    request: Request,
    job_id: str,
    caller: CallerDep,
    gateway: GatewayDep,
    key: Key = None,
    prefer: Prefer = None,
) -> Response:
    """Queue a new job with the inputs of an earlier one, and its parameters unless changed.

    The earlier job may be in any state. Its inputs are stored as long as itself. An administrator
    who retries another caller's job gives its own `webhook` and `consent`; they are not copied.
    """
    with _wait_slot(request, caller, prefer):
        record = (await gateway.read(job_id, caller)).record
        text = await read_json_text(request.headers, request.stream())
        received = read_retry(text, record, caller.id)
        if key is None:
            await _check_quota(gateway, caller, record.inputs.size_bytes)
        with gateway.open_spool(caller.id) as spool:
            submitted = await submit_job(gateway, caller, received, key, spool)
        return await _respond(request, gateway, caller, *submitted, prefer)


def _wait_slot(
    request: Request, caller: Caller, prefer: str | None
) -> AbstractContextManager[None]:
    """Hold a slot of the caller for a request that will wait, before anything of it is stored."""
    return nullcontext() if requested_wait_s(prefer) is None else stream_slot(request, caller)


async def _submit(
    request: Request, kind: JobKind, caller: Caller, gateway: Gateway, key: str | None
) -> tuple[JobSnapshot, bool]:
    if key is None:
        # Files in the body are new bytes; uploads were counted before.
        await _check_quota(gateway, caller, 0 if is_json(request.headers) else 1)
    with gateway.open_spool(caller.id) as spool:
        headers, limits = request.headers, gateway.settings.limits
        received = await read_request(
            kind, headers, request.stream(), limits, spool, gateway.large_bodies
        )
        return await submit_job(gateway, caller, received, key, spool)


async def _check_quota(gateway: Gateway, caller: Caller, new_bytes: int) -> None:
    """Refuse a job over a quota before its inputs are received."""
    if caller.limits.bounds_jobs:
        await gateway.jobs.run(keys.check_quota(caller.id, caller.limits, new_bytes))


async def _respond(
    request: Request,
    gateway: Gateway,
    caller: Caller,
    snapshot: JobSnapshot,
    replayed: bool,
    prefer: str | None,
) -> Response:
    """Return 200 with the ended job if the caller waited for it, else 202."""
    headers = {"Location": f"{gateway.settings.public_url}/jobs/{snapshot.record.id}"}
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    wait_s, status = requested_wait_s(prefer), 202
    if wait_s is not None:
        headers["Preference-Applied"] = f"wait={wait_s}"
        started_s = time.perf_counter()
        snapshot = await wait_for_end(gateway, caller, snapshot, wait_s)
        request.scope[WAITED_S] = time.perf_counter() - started_s
    if wait_s is not None and snapshot.record.state.is_terminal:
        status = 200
    else:
        headers["Retry-After"] = str(POLL_AFTER_S)
    text = gateway.view(snapshot).model_dump_json()
    return Response(text, status, headers, media_type="application/json")
