"""What a worker says of itself while it lives."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from service.contract.queues import Queue


class WorkerInfo(BaseModel):
    """One worker's last heartbeat."""

    model_config = ConfigDict(frozen=True)

    id: str
    queues: tuple[Queue, ...]
    preset: str
    ready: bool
    """The model is loaded and the worker consumes its queues."""
