"""Webhooks: what a caller may ask for, and the log of what was sent."""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

MAX_URL_LENGTH = 2000


class WebhookEvent(StrEnum):
    """What a caller can be told of; the `type` of a message."""

    RUNNING = "job.running"
    SUCCEEDED = "job.succeeded"
    FAILED = "job.failed"
    CANCELED = "job.canceled"


class Webhook(BaseModel):
    """Where to tell of a job, and what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(
        max_length=MAX_URL_LENGTH,
        description="Receives a POST as the Standard Webhooks specification has it.",
        json_schema_extra={"format": "uri", "example": "https://studio.example/tcan"},
    )
    events: tuple[WebhookEvent, ...] = Field(
        (WebhookEvent.SUCCEEDED, WebhookEvent.FAILED, WebhookEvent.CANCELED),
        min_length=1,
        max_length=len(WebhookEvent),
        description="Each comes at most once per job, and is sent until it is taken.",
    )

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises ValueError when it is no number
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an http or https address")
        if parts.username is not None or parts.password is not None:
            raise ValueError("must hold no user name and no password")
        if not url.isascii() or not url.isprintable() or " " in url:
            raise ValueError("must hold printable ASCII characters alone")
        return url


class DeliveryState(StrEnum):
    """Where a message stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"
    """Every attempt failed."""
    DISABLED = "disabled"
    """The receiver answered 410, to this message or to an earlier one."""


class Attempt(BaseModel):
    """One try to deliver a message."""

    model_config = ConfigDict(frozen=True)

    at_ms: int
    took_ms: int
    status: int | None = Field(None, description="Of HTTP; absent when there was no answer.")
    error: str | None = Field(None, description="Why there was no answer.")

    @property
    def succeeded(self) -> bool:
        """Whether the receiver took the message; a redirect is a failure."""
        return self.status is not None and 200 <= self.status < 300


class Delivery(BaseModel):
    """A message to a receiver. Times are milliseconds since 1970 by the server's clock."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(description="The `webhook-id`: the same for every attempt.")
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
