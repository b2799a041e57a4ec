"""What callers see of webhooks."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from service.contract import examples
from service.contract.webhooks import DeliveryState, WebhookEvent


class AttemptView(BaseModel):
    """One try to deliver a message."""

    at: datetime
    took_s: float
    status: int | None = Field(None, description="Of HTTP; absent when there was no answer.")
    error: str | None = Field(None, description="Why there was no answer.")


class DeliveryView(BaseModel):
    """A message to the job's webhook."""

    model_config = ConfigDict(json_schema_extra={"example": examples.DELIVERY})

    n: int = Field(description="Its number within the job, from 1.")
    id: str = Field(description="Its `webhook-id`, the same in every attempt.")
    event: WebhookEvent
    url: str
    status: DeliveryState
    created_at: datetime
    next_attempt_at: datetime | None = None
    attempts: list[AttemptView] = Field(description="Oldest first.")


class DeliveryList(BaseModel):
    """The messages of a job, oldest first."""

    model_config = ConfigDict(json_schema_extra={"example": {"deliveries": [examples.DELIVERY]}})

    deliveries: list[DeliveryView]


class SecretView(BaseModel):
    """A secret that signs the caller's messages."""

    secret: str = Field(description="For any library of Standard Webhooks.")
    retires_at: datetime | None = Field(None, description="Absent for the newest.")


# Of nobody: they say what they are.
NEWER = "whsec_bmV3IHNlY3JldCBvZiB0aGlydHktdHdvIGJ5dGVzLi4="
OLDER = "whsec_b2xkIHNlY3JldCBvZiB0aGlydHktdHdvIGJ5dGVzLi4="


class Secrets(BaseModel):
    """What verifies messages: any one of these."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "secrets": [
                    {"secret": NEWER},
                    {
                        "secret": OLDER,
                        "retires_at": "2026-11-23T10:00:00Z",
                    },
                ],
                "public_keys": [],
            }
        }
    )

    secrets: list[SecretView] = Field(description="For signatures `v1`, newest first.")
    public_keys: list[str] = Field(description="For signatures `v1a`, where the service has keys.")
