"""What a caller may choose about a job apart from the animation itself."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from service.contract.numbers import WHOLE
from service.contract.version import Since
from service.contract.webhooks import Webhook

DAY_S = 24 * 3600


class Priority(StrEnum):
    """Classes of jobs: none begins while one of an earlier class waits in its queue."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


def _text_or_null(schema: dict[str, Any]) -> None:
    """Say so by one type: who tests against alternatives takes a text in null's place as wrong."""
    text, null = schema.pop("anyOf")
    schema |= {**text, "type": [text["type"], null["type"]]}


class JobOptions(BaseModel):
    """How a job is kept; everything has a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    # A new field says by `Since` which contract brings it.
    ttl_s: Annotated[int, Field(ge=60, le=30 * DAY_S), WHOLE] = Field(
        7 * DAY_S,
        description="Seconds for which the ended job and its results are kept.",
    )
    priority: Priority = Field(
        Priority.NORMAL,
        description="Jobs of a class share the workers fairly among their callers; none begins "
        "while one of an earlier class waits.",
    )
    start_deadline_s: Annotated[int, Field(ge=1, le=30 * DAY_S), WHOLE] | None = Field(
        None,
        description="Seconds from its making within which a worker must have taken the job; else "
        "it fails with `start_deadline`.",
    )
    run_deadline_s: Annotated[int, Field(ge=1, le=30 * DAY_S), WHOLE] | None = Field(
        None,
        description="Seconds from its first start within which the job must have ended; else it "
        "fails with `run_deadline`.",
    )
    webhook: Webhook | None = Field(None, description="Who is told when the job ends.")
    consent: Annotated[str | None, Since(2)] = Field(
        None,
        min_length=1,
        max_length=1000,
        description="The caller's declaration that those who are shown agree, in words of their "
        "own; the manifest tells it. Some services require it.",
        examples=["release form 2026-118, signed by the actor"],
        json_schema_extra=_text_or_null,
    )
