"""The Celery tasks: each receives a job's id, and the job record says what to do."""

from __future__ import annotations

from collections.abc import Callable

from celery import Celery

from service.contract.queues import Queue
from worker.job_runner import JobRunner


def register_tasks(app: Celery, runner: JobRunner) -> None:
    """Add one task per queue to the app."""
    for queue in Queue:
        app.task(name=queue.task)(_task(runner, queue))


def _task(runner: JobRunner, queue: Queue) -> Callable[[str], None]:
    def run_stage(job_id: str) -> None:
        runner.run(queue, job_id)

    return run_stage
