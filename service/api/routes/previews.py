"""GET /jobs/{id}/previews/{n}: preview frames of a running job."""

from __future__ import annotations

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Path
from fastapi.responses import RedirectResponse

from service.api.dependencies import CallerDep, GatewayDep
from service.api.problems import problem_responses
from service.contract.errors import ErrorCode
from service.contract.examples import redirect_to_object
from service.errors import RejectedError

router = APIRouter(tags=["results"])


@router.get(
    "/jobs/{job_id}/previews/{n}",
    summary="Get a preview frame",
    status_code=307,
    response_class=RedirectResponse,
    responses=redirect_to_object("preview-1.webp")
    | problem_responses(
        ErrorCode.JOB_NOT_FOUND,
        ErrorCode.NO_RESULT,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.UNAVAILABLE,
    ),
)
async def get_preview(
    job_id: str,
    n: Annotated[
        int,
        Path(
            ge=1, le=10_000, description="Number of the preview, as in the job's `links.preview`."
        ),
    ],
    caller: CallerDep,
    gateway: GatewayDep,
) -> RedirectResponse:
    """Redirect to a signed URL of a WebP image, which never changes for the same number."""
    record = (await gateway.read(job_id, caller)).record
    if n > len(record.previews):
        detail = f"no preview {n}: the job has {len(record.previews)} previews"
        raise RejectedError(ErrorCode.NO_RESULT, detail)
    name = f"tcan-{record.id[:8]}-preview-{n}.webp"
    link = await to_thread.run_sync(gateway.objects.link, record.previews[n - 1], name)
    return RedirectResponse(link, 307, headers={"Cache-Control": "no-store"})
