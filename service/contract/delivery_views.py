"""Views of webhook messages and secrets."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from service.contract import examples
from service.contract.views import JobView
from service.contract.webhooks import DeliveryState, WebhookEvent


class WebhookMessage(BaseModel):
    """A message to a webhook: what happened to a job, and the job at that time."""

    type: WebhookEvent
    timestamp: datetime = Field(description="When it happened.")
    data: JobView


class AttemptView(BaseModel):
    """One attempt to deliver a message."""

    at: datetime
    took_s: float
    status: int | None = Field(None, description="HTTP status; absent without a response.")
    error: str | None = Field(None, description="Why there was no response.")


class DeliveryView(BaseModel):
    """A message to a job's webhook."""

    model_config = ConfigDict(json_schema_extra={"example": examples.DELIVERY})

    n: int = Field(description="Number of the message within the job, from 1.")
    id: str = Field(description="The `webhook-id`, the same in every attempt.")
    event: WebhookEvent
    url: str
    status: DeliveryState
    created_at: datetime
    next_attempt_at: datetime | None = None
    attempts: list[AttemptView] = Field(description="Oldest first; the last 100.")


class DeliveryList(BaseModel):
    """The messages of a job, oldest first."""

    model_config = ConfigDict(json_schema_extra={"example": {"deliveries": [examples.DELIVERY]}})

    deliveries: list[DeliveryView]


class SecretView(BaseModel):
    """A secret that signs the caller's messages."""

    secret: str = Field(description="Secret for a Standard Webhooks library.")
    retires_at: datetime | None = Field(
        None, description="End of its validity; absent for the newest."
    )


# Examples, of no real caller.
NEWER = "whsec_bmV3IHNlY3JldCBvZiB0aGlydHktdHdvIGJ5dGVzLi4="
OLDER = "whsec_b2xkIHNlY3JldCBvZiB0aGlydHktdHdvIGJ5dGVzLi4="


class Secrets(BaseModel):
    """Secrets and public keys that verify messages; one match is enough."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "secrets": [
                    {"secret": NEWER},
                    {"secret": OLDER, "retires_at": "2026-11-23T10:00:00Z"},
                ],
                "public_keys": [],
            }
        }
    )

    secrets: list[SecretView] = Field(description="Secrets of the signatures `v1`, newest first.")
    public_keys: list[str] = Field(description="Public keys of the signatures `v1a`, if any.")
