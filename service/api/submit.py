"""POST /animate: a picture and a driving video or pose file become a job."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from service.api.deps import Gateway, GatewayDep
from service.api.multipart import Part, receive
from service.api.problems import field_problems, problem_responses
from service.api.views import JobView, view_placed
from service.contract.errors import ErrorCode
from service.contract.job import JobInputs, JobRecord, new_job_id
from service.contract.limits import InputLimits
from service.contract.params import JobParams
from service.errors import Rejected, Unavailable
from service.media.inspect import Inspected, inspect_inputs
from service.stores import calls

MAX_PARAMS_BYTES = 64 * 1024
POLL_AFTER_S = 1

router = APIRouter(tags=["jobs"])
logger = logging.getLogger(__name__)

BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["image", "driving"],
                "additionalProperties": False,
                "properties": {
                    "image": {
                        "type": "string",
                        "format": "binary",
                        "description": "The character: PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF.",
                    },
                    "driving": {
                        "type": "string",
                        "format": "binary",
                        "description": "The motion: a video, or a JSON file of OpenPose poses.",
                    },
                    "params": JobParams.model_json_schema(),
                },
            },
            "encoding": {"params": {"contentType": "application/json"}},
        }
    },
}


@router.post(
    "/animate",
    status_code=202,
    summary="Animate a picture with the motion of a video",
    openapi_extra={"requestBody": BODY},
    responses={
        202: {"headers": {"Location": {"schema": {"type": "string"}}}},
        **problem_responses(
            ErrorCode.MALFORMED_BODY,
            ErrorCode.BODY_TOO_LARGE,
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            ErrorCode.INVALID_PARAMS,
            ErrorCode.UNAVAILABLE,
        ),
    },
)
async def animate(request: Request, response: Response, gateway: GatewayDep) -> JobView:
    """Take the inputs, make sure that they can be used, and queue the job.

    The body is streamed; it is never in memory as a whole. What cannot work is refused here, with
    a code that says why; whether a person is seen in a video is found out by the job itself.
    """
    with tempfile.TemporaryDirectory(dir=gateway.settings.spool_folder) as folder:
        files = await receive(
            request.headers.get("content-type"),
            request.stream(),
            parts_taken(gateway.settings.limits),
            Path(folder),
        )
        placed = await accept(gateway, files)
    response.headers["Location"] = f"/jobs/{placed.record.id}"
    response.headers["Retry-After"] = str(POLL_AFTER_S)
    return view_placed(placed)


def parts_taken(limits: InputLimits) -> dict[str, Part]:
    """The parts of the body and their limits."""
    return {
        "image": Part(limits.max_image_bytes),
        "driving": Part(limits.max_driving_bytes),
        "params": Part(MAX_PARAMS_BYTES, required=False),
    }


async def accept(gateway: Gateway, files: dict[str, Path]) -> calls.Placed:
    """Check the files of a request, store them and make the job.

    Raises:
        Rejected: the parameters or the inputs cannot be used.
        Unavailable: a store does not answer; there is no job then.
    """
    params = read_params(files["params"].read_bytes() if "params" in files else b"{}")
    found = await to_thread.run_sync(
        inspect_inputs,
        files["image"],
        files["driving"],
        gateway.settings.limits,
        limiter=gateway.inspections,
    )
    job_id = new_job_id()
    inputs = await to_thread.run_sync(_store, gateway, job_id, files, found)
    placed = await gateway.jobs.run(calls.create(job_id, params.with_seed(), inputs))
    await to_thread.run_sync(_hint, gateway, placed.record)
    return placed


def read_params(text: bytes) -> JobParams:
    """The parameters of a request. Raises Rejected (`invalid_params`)."""
    try:
        return JobParams.model_validate_json(text)
    except ValidationError as error:
        errors = field_problems(error.errors(include_url=False, include_input=False))
        detail = "; ".join(f"{entry['field']}: {entry['detail']}" for entry in errors)
        raise Rejected(ErrorCode.INVALID_PARAMS, detail, errors=errors) from error


def _store(gateway: Gateway, job_id: str, files: dict[str, Path], found: Inspected) -> JobInputs:
    folder = f"jobs/{job_id}/inputs"
    inputs = JobInputs(
        image=f"{folder}/image{found.image_suffix}",
        driving=f"{folder}/driving{found.driving_suffix}",
        driving_kind=found.driving_kind,
    )
    gateway.objects.put(inputs.image, files["image"])
    gateway.objects.put(inputs.driving, files["driving"])
    return inputs


def _hint(gateway: Gateway, record: JobRecord) -> None:
    try:
        gateway.hints.send(record.id, record.queue)
    except Unavailable as error:
        logger.warning("job %s: the reconciler will send the hint (%s)", record.id, error)
