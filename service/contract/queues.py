"""The two queues that a job passes: `prepare` on any processor, `render` beside the model."""

from __future__ import annotations

from enum import StrEnum

from service.contract.states import JobState


class Queue(StrEnum):
    """A queue of jobs that wait for a worker, and the stage that the worker then does."""

    PREPARE = "prepare"
    RENDER = "render"

    @property
    def state(self) -> JobState:
        """The state of a job while a worker of this queue holds its lease."""
        return JobState.PREPARING if self is Queue.PREPARE else JobState.RUNNING

    @property
    def begins_at(self) -> float:
        """The fraction of a whole job that is done when this stage begins."""
        return 0.0 if self is Queue.PREPARE else 0.05

    @property
    def task(self) -> str:
        """The name of the Celery task, which is also the name of the broker's queue."""
        return f"tcan.{self.value}"
