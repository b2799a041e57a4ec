"""The base of all models."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A model of the API; fields that a newer service has added are kept."""

    model_config = ConfigDict(frozen=True, extra="allow")
