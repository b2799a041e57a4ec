"""API keys, their scopes and the limits of callers."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.contract.options import Priority

# Part of keys in Redis and of logs.
CALLER = r"^[a-z0-9][a-z0-9_-]{0,39}$"
WINDOW_S = 60
# Clients that may send requests while no key exists.
Anonymous = Literal["loopback", "anywhere", "never"]


class Scope(StrEnum):
    """A permission of an API key."""

    READ = "read"
    """Requests that change nothing."""
    SUBMIT = "submit"
    """Requests that create, change or erase."""
    ADMIN = "admin"
    """Both, for the jobs of every caller."""


class CallerLimits(BaseModel):
    """Limits of a caller; None means unlimited."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests_per_minute: int | None = Field(
        None, ge=1, le=1_000_000, description="Requests within any 60 s, over all gateways."
    )
    queued_jobs: int | None = Field(None, ge=1, description="Jobs queued at a time.")
    input_bytes_per_day: int | None = Field(
        None, ge=1, description="Bytes of job inputs per UTC day."
    )
    driving_s_per_day: int | None = Field(
        None, ge=1, description="Seconds of driving motion per UTC day."
    )

    @property
    def bounds_jobs(self) -> bool:
        """True if a new job must be checked against a quota."""
        return (self.queued_jobs, self.input_bytes_per_day, self.driving_s_per_day) != (None,) * 3


class ApiKey(BaseModel):
    """A stored key, with a digest in place of the secret.

    All keys of a caller see the same jobs, so a key can be replaced by a new one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(description="Public part of the key.")
    caller: str = Field(pattern=CALLER)
    digest: str = Field(description="SHA-256 of the whole key, in hexadecimal.")
    scopes: tuple[Scope, ...] = Field(min_length=1)
    limits: CallerLimits = CallerLimits()
    highest_priority: Priority = Priority.NORMAL
    created_ms: int
    expires_ms: int | None = None
    revoked_ms: int | None = None

    def is_valid(self, now_ms: float) -> bool:
        """Return whether the key is neither revoked nor expired."""
        return self.revoked_ms is None and (self.expires_ms is None or now_ms < self.expires_ms)
