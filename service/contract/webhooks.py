"""Webhooks: their configuration and the log of deliveries."""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

MAX_URL_LENGTH = 2000


class WebhookEvent(StrEnum):
    """Events that a webhook can receive; the `type` of a message."""

    RUNNING = "job.running"
    SUCCEEDED = "job.succeeded"
    FAILED = "job.failed"
    CANCELED = "job.canceled"


class Webhook(BaseModel):
    """URL and events of a webhook."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        max_length=MAX_URL_LENGTH,
        description="Receives a POST by the Standard Webhooks specification.",
        json_schema_extra={"format": "uri", "example": "https://studio.example/tcan"},
    )
    events: tuple[WebhookEvent, ...] = Field(
        (WebhookEvent.SUCCEEDED, WebhookEvent.FAILED, WebhookEvent.CANCELED),
        min_length=1,
        max_length=len(WebhookEvent),
        description="Events to send, each at most once per job, with retries until accepted.",
    )

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises ValueError for an invalid port
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an http or https URL")
        if parts.username is not None or parts.password is not None:
            raise ValueError("must not contain a user name or password")
        if not url.isascii() or not url.isprintable() or " " in url:
            raise ValueError("must contain printable ASCII characters only")
        return url


class DeliveryState(StrEnum):
    """State of a message."""

    PENDING = "pending"
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"
    """Every attempt failed."""
    DISABLED = "disabled"
    """The receiver answered 410 to this message or an earlier one."""


class Attempt(BaseModel):
    """One attempt to deliver a message."""

    model_config = ConfigDict(frozen=True)

    at_ms: int
    took_ms: int
    status: int | None = Field(None, description="HTTP status; absent without a response.")
    error: str | None = Field(None, description="Why there was no response.")

    @property
    def succeeded(self) -> bool:
        """True if the receiver accepted the message; a redirect is a failure."""
        return self.status is not None and 200 <= self.status < 300


class Delivery(BaseModel):
    """A message to a receiver. Times are milliseconds since 1970 by the server's clock."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(description="The `webhook-id`, the same in every attempt.")
    job_id: str
    n: int
    event: WebhookEvent
    caller: str
    url: str
    state: DeliveryState
    created_ms: int
    due_ms: int | None = None
    tries: int = 0
    claim: int = 0
    attempts: list[Attempt] = Field(default_factory=list)
