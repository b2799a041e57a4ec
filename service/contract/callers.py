"""Who may call, and how much of the service they may have: data only."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from service.contract.options import Priority

# Part of keys in Redis and of logs.
CALLER = r"^[a-z0-9][a-z0-9_-]{0,39}$"
WINDOW_S = 60


class Scope(StrEnum):
    """What a key opens."""

    READ = "read"
    """All that changes nothing."""
    SUBMIT = "submit"
    """All that makes, changes or erases."""
    ADMIN = "admin"
    """Both, and the jobs of every caller."""


class CallerLimits(BaseModel):
    """How much of the service a caller may have; what is absent has no bound."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests_per_minute: int | None = Field(
        None, ge=1, le=1_000_000, description="Within any 60 s, over all gateways."
    )
    queued_jobs: int | None = Field(None, ge=1, description="That wait at a time.")
    input_bytes_per_day: int | None = Field(
        None, ge=1, description="Of the inputs of jobs, by days of UTC."
    )
    driving_s_per_day: int | None = Field(
        None, ge=1, description="Seconds of driving motion, by days of UTC."
    )

    @property
    def bounds_jobs(self) -> bool:
        """Whether a new job must be weighed against what the caller had before."""
        return (self.queued_jobs, self.input_bytes_per_day, self.driving_s_per_day) != (None,) * 3


class ApiKey(BaseModel):
    """A key as it is kept: all of it but the secret, of which there is a digest.

    Two keys of one caller see the same jobs; so a key is renewed by a second one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(description="Stands in the key itself; no secret.")
    caller: str = Field(pattern=CALLER)
    digest: str = Field(description="SHA-256 of the whole key, hexadecimal.")
    scopes: tuple[Scope, ...] = Field(min_length=1)
    limits: CallerLimits = CallerLimits()
    highest_priority: Priority = Priority.NORMAL
    created_ms: int
    expires_ms: int | None = None
    revoked_ms: int | None = None

    def is_valid(self, now_ms: float) -> bool:
        """Whether it opens anything at this time."""
        return self.revoked_ms is None and (self.expires_ms is None or now_ms < self.expires_ms)
