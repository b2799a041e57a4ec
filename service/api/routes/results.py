"""Outputs of finished jobs and previews of running ones, by short-lived signed links."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import PurePosixPath
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Path, Request
from fastapi.responses import FileResponse, RedirectResponse

from service.api.dependencies import CallerDep, GatewayDep
from service.api.long_poll import POLL_AFTER_S
from service.api.middleware.head import SENT_METHOD
from service.api.openapi.object_responses import object_responses
from service.api.problems import ANY_PAGE, problem_responses
from service.auth.authenticator import presented_credentials
from service.contract.errors import ErrorCode
from service.contract.job import JobRecord, Output
from service.contract.params import ResultFormat
from service.contract.states import JobState
from service.errors import RejectedError
from service.gateway import Gateway
from service.stores.object_store.base import ObjectMissingError, content_type
from service.stores.object_store.folder import ROUTE, FolderObjects

router = APIRouter(tags=["results"])


@router.get(
    "/jobs/{job_id}/previews/{n}",
    summary="Get a preview frame",
    status_code=307,
    response_class=RedirectResponse,
    responses=object_responses("preview-1.webp")
    | problem_responses(
        ErrorCode.JOB_NOT_FOUND,
        ErrorCode.NO_RESULT,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.UNAVAILABLE,
    ),
)
async def get_preview(
    request: Request,
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
    return await _redirect(request, gateway, record, record.previews[n - 1], f"preview-{n}.webp")


# Summary of each route, and names of its object by format.
ROUTES = {
    Output.RESULT: ("Get the animation", *(f"result.{suffix}" for suffix in ResultFormat)),
    Output.POSTER: ("Get one frame of the result as a PNG", "poster.png"),
    Output.POSE: ("Get a video of the poses", "pose.mp4"),
    Output.MANIFEST: ("Get the manifest", "manifest.json"),
    Output.KEYPOINTS: ("Get the poses as a pose file", "keypoints.json"),
    Output.REVIEW: ("Get all pictures of the job in one video", "review.mp4"),
    Output.ANALYSIS: ("Get what was found in the driving file", "analysis.json"),
    Output.FIT: ("Get a video of the driving poses over the image", "fit.mp4"),
    Output.IMAGE_KEYPOINTS: ("Get the pose file of the image", "image_keypoints.json"),
    Output.SILENT: ("Get the animation without its sound", "silent.mp4"),
}


Route = Callable[[Request, str, CallerDep, GatewayDep], Awaitable[RedirectResponse]]


def _route(output: Output) -> Route:
    async def get_output(
        request: Request, job_id: str, caller: CallerDep, gateway: GatewayDep
    ) -> RedirectResponse:
        """Redirect to a signed URL, which supports Range."""
        record = (await gateway.read(job_id, caller)).record
        key = _key(record, output)
        return await _redirect(
            request, gateway, record, key, f"{output}{PurePosixPath(key).suffix}"
        )

    return get_output


async def _redirect(
    request: Request, gateway: Gateway, record: JobRecord, key: str, filename: str
) -> RedirectResponse:
    """Redirect to the object's signed URL, which names the downloaded file."""
    name = f"tcan-{record.id[:8]}-{filename}"
    method = request.scope.get(SENT_METHOD, request.method)
    link = await to_thread.run_sync(gateway.objects.link, key, name, method)
    by_cookie = presented_credentials(request.headers).session is not None
    headers = {"Cache-Control": "no-store"} | ({} if by_cookie else ANY_PAGE)
    return RedirectResponse(link, 307, headers=headers)


for _output, (_summary, *_names) in ROUTES.items():
    router.add_api_route(
        f"/jobs/{{job_id}}/{_output}",
        _route(_output),
        name=f"get_{_output}",
        summary=_summary,
        status_code=307,
        response_class=RedirectResponse,
        responses=object_responses(*_names)
        | problem_responses(
            ErrorCode.JOB_NOT_FOUND,
            ErrorCode.NO_RESULT,
            ErrorCode.RESULT_NOT_READY,
            ErrorCode.UNAVAILABLE,
        ),
    )


def _key(record: JobRecord, output: Output) -> str:
    """Return the object's key. Raises RejectedError when there is none, or not yet."""
    if not record.state.is_terminal:
        raise RejectedError(
            ErrorCode.RESULT_NOT_READY,
            f"the job is {record.state}; retry when it has succeeded",
            headers={"Retry-After": str(POLL_AFTER_S)},
        )
    if record.state is not JobState.SUCCEEDED:
        end = "was canceled" if record.state is JobState.CANCELED else "failed"
        reason = f": {record.error.detail}" if record.error else ""
        raise RejectedError(ErrorCode.NO_RESULT, f"the job {end}{reason}")
    if output not in record.outputs:
        raise RejectedError(ErrorCode.NO_RESULT, _no_output(record, output))
    return record.outputs[output]


def _no_output(record: JobRecord, output: Output) -> str:
    text = f"the job has no output {output}; it has {', '.join(sorted(record.outputs))}"
    if output is Output.REVIEW:
        text += "; workers of earlier releases make no review: submit the job again"
    return text


@router.get(
    f"{ROUTE}{{key:path}}",
    summary="Download by a signed link of the folder store",
    response_class=FileResponse,
    responses=problem_responses(ErrorCode.INVALID_SIGNATURE, ErrorCode.NOT_FOUND),
)
async def get_object(
    key: str, filename: str, expires: str, signature: str, gateway: GatewayDep
) -> FileResponse:
    """Serve the object, with Range support. The S3 store serves its own links."""
    if not isinstance(gateway.objects, FolderObjects):
        raise ObjectMissingError(key)
    path = gateway.objects.open_link(key, filename, expires, signature)
    return FileResponse(
        path,
        media_type=content_type(key),
        filename=filename,
        content_disposition_type="inline",
        headers={"Cache-Control": "private, max-age=300"} | ANY_PAGE,
    )
