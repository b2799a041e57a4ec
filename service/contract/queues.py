"""The two queues of a job: `prepare` (CPU work) and `render` (the model)."""

from __future__ import annotations

from enum import StrEnum

from service.contract.states import JobState


class Queue(StrEnum):
    """A queue of jobs, and the stage that its workers process."""

    PREPARE = "prepare"
    RENDER = "render"

    @property
    def state(self) -> JobState:
        """State of a job while a worker of this queue holds its lease."""
        return JobState.PREPARING if self is Queue.PREPARE else JobState.RUNNING

    @property
    def begins_at(self) -> float:
        """Fraction of the whole job that is complete when this stage starts."""
        return 0.0 if self is Queue.PREPARE else 0.05

    @property
    def task(self) -> str:
        """Name of the Celery task and of the broker's queue."""
        return f"tcan.{self.value}"
