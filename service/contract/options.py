"""Options of a job that do not affect the animation."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from service.contract.numbers import WHOLE
from service.contract.version import Since
from service.contract.webhooks import Webhook

DAY_S = 24 * 3600
MAX_METADATA = 16
METADATA_NAME = r"^[A-Za-z0-9_.-]{1,40}$"
# A filter of lists.
METADATA_PAIR = r"^[A-Za-z0-9_.-]{1,40}="
MetadataValue = Annotated[str, Field(max_length=500)]


class Priority(StrEnum):
    """Priority classes: a class starts only when no job of a higher one is queued."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


def _text_or_null(schema: dict[str, Any]) -> None:
    """Use one `type` list in place of `anyOf`, which schema-based tests handle badly."""
    text, null = schema.pop("anyOf")
    schema |= {**text, "type": [text["type"], null["type"]]}


def check_metadata_names(names: Iterable[str]) -> None:
    """Raise ValueError with the first name that metadata cannot have."""
    for name in names:
        if not re.fullmatch(METADATA_NAME, name):
            raise ValueError(
                f"{name[:40]!r} must be a name of at most 40 letters, digits, _, . and -"
            )


class JobOptions(BaseModel):
    """Job options; every field has a default."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    # Annotate a new field with `Since` and the contract version that adds it.
    ttl_s: Annotated[int, Field(ge=60, le=30 * DAY_S), WHOLE] = Field(
        7 * DAY_S, description="Seconds to keep the ended job and its results."
    )
    priority: Priority = Field(
        Priority.NORMAL,
        description="Priority class. Jobs of one class share the workers fairly among callers; a "
        "class starts only when no job of a higher class is queued.",
    )
    start_deadline_s: Annotated[int, Field(ge=1, le=30 * DAY_S), WHOLE] | None = Field(
        None,
        description="Seconds from submission until a worker must start the job, which otherwise "
        "fails with `start_deadline`.",
    )
    run_deadline_s: Annotated[int, Field(ge=1, le=30 * DAY_S), WHOLE] | None = Field(
        None,
        description="Seconds from the first start until the job must end, which otherwise fails "
        "with `run_deadline`.",
    )
    webhook: Webhook | None = Field(None, description="Notified when the job ends.")
    consent: Annotated[str | None, Since(2)] = Field(
        None,
        min_length=1,
        max_length=1000,
        description="Declaration of consent of the people shown, as free text. It is copied to the "
        "manifest. Some services require it.",
        examples=["release form 2026-118, signed by the actor"],
        json_schema_extra=_text_or_null,
    )
    metadata: Annotated[dict[str, MetadataValue], Since(3)] = Field(
        default_factory=dict,
        max_length=MAX_METADATA,
        description="Texts of the caller by name, such as the shot that the job belongs to. They "
        "are returned with the job and in webhooks, copied to the manifest, and filter lists.",
        examples=[{"project": "harbor", "shot": "12"}],
        json_schema_extra={"propertyNames": {"pattern": METADATA_NAME}},
    )

    @field_validator("metadata")
    @classmethod
    def _has_simple_names(cls, metadata: dict[str, str]) -> dict[str, str]:
        check_metadata_names(metadata)
        return metadata
