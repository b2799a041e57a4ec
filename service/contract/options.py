"""What a caller may choose about a job apart from the animation itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.contract.numbers import WHOLE
from service.contract.webhooks import Webhook

DAY_S = 24 * 3600


class JobOptions(BaseModel):
    """How a job is kept; everything has a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    ttl_s: Annotated[int, Field(ge=60, le=30 * DAY_S), WHOLE] = Field(
        7 * DAY_S,
        description="Seconds for which the ended job and its results are kept.",
    )
    webhook: Webhook | None = Field(None, description="Who is told when the job ends.")
