"""GET /estimates: how long a job would take."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from service.api.dependencies import CallerDep, GatewayDep
from service.api.problems import problem_responses
from service.contract.errors import ErrorCode
from service.contract.job import USUAL_STEPS, JobKind
from service.stores.job_store.estimates import estimate_job

router = APIRouter(tags=["jobs"])

MAX_FRAMES = 1_000_000


class Estimate(BaseModel):
    """Expected work on a job, without the time in queues."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"seconds": 24.0, "relative_error": 0.08, "estimates": 50}}
    )

    seconds: float | None = Field(
        None, description="Seconds of work; absent before a job of this kind has ended."
    )
    relative_error: float | None = Field(
        None, description="Mean of |estimate - actual| / actual over past jobs; 0.1 is 10 %."
    )
    estimates: int = Field(description="Number of past jobs in `relative_error`.")


@router.get(
    "/estimates",
    summary="Estimate a job",
    responses=problem_responses(ErrorCode.INVALID_REQUEST, ErrorCode.UNAVAILABLE),
)
async def get_estimate(
    caller: CallerDep,
    gateway: GatewayDep,
    frames: Annotated[
        int, Query(ge=1, le=MAX_FRAMES, description="Frames of the driving motion, as trimmed.")
    ],
    kind: Annotated[JobKind, Query(description="Kind of the job.")] = JobKind.ANIMATE,
    num_inference_steps: Annotated[
        int, Query(ge=1, le=200, description="Denoising steps; 20 for the preset's default.")
    ] = USUAL_STEPS,
) -> Estimate:
    """Estimate the work on a job before it is submitted, from past jobs of its kind.

    Its duration is taken as proportional to frames times steps, as in the `eta` of jobs. Neither
    the preset nor the size of the image counts: a model scales images to its own size.
    """
    found = await gateway.jobs.run(estimate_job(kind, frames * num_inference_steps))
    if found is None:
        return Estimate(seconds=None, relative_error=None, estimates=0)
    error = None if found.error is None else round(found.error, 3)
    return Estimate(
        seconds=round(found.seconds, 1), relative_error=error, estimates=found.estimates
    )
