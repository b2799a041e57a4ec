"""Workers that die and leave at chosen steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.contract.job import Checkpoint, JobRecord
from service.contract.queues import Queue
from service.maintenance.orphans import OrphanSweeper
from service.maintenance.sweeper import Sweeper
from service.stores.job_store.store import JobStore
from service.stores.object_store.base import ObjectStore
from tests.servers import wait_until
from tests.service.job_driver import take_from_worker
from tests.worker.conftest import Desk
from tests.worker.paint import PaintAnimator


class KilledError(BaseException):
    """The process was killed: no later code runs."""


class World:
    """Workers that die and leave at chosen steps."""

    def __init__(self, desk: Desk, jobs: JobStore, objects: ObjectStore, folder: Path) -> None:
        self.desk, self.jobs, self.folder = desk, jobs, folder
        self.sweep = Sweeper(jobs, objects, "w1", folder / "no", OrphanSweeper(jobs, objects)).act

    def prepared(self, steps: int = 6) -> str:
        """Prepare a job, so that it waits to be rendered, and return its id."""
        job_id = self.desk.submit(steps=steps)
        self.desk.with_animator(PaintAnimator()).run(Queue.PREPARE, job_id)
        return job_id

    def kept(self, job_id: str, step: int) -> Checkpoint:
        """Wait until the job's checkpoint is of this step or a later one, and return it."""

        def probe() -> Checkpoint | None:
            checkpoint = self.desk.record(job_id).checkpoint
            return (
                checkpoint if checkpoint is not None and checkpoint.progress.step >= step else None
            )

        checkpoint = wait_until(probe, f"a checkpoint of step {step}")
        assert checkpoint is not None
        return checkpoint

    def keeps_up(self, job_id: str, step: int) -> None:
        """Wait, before a step, until the checkpoint of the one before is stored."""
        if step:
            self.kept(job_id, step)

    def render_and_die(self, job_id: str, behind: int) -> PaintAnimator:
        """Kill a worker once the checkpoint of a step is stored, and expire its lease."""

        def die(step: int) -> None:
            self.keeps_up(job_id, step)
            if step == behind:
                raise KilledError

        painter = PaintAnimator(on_step=die)
        with pytest.raises(KilledError):
            self.desk.with_animator(painter, "dead").run(Queue.RENDER, job_id)
        self.lose(job_id)
        return painter

    def lose(self, job_id: str) -> None:
        """Take the job from its worker."""
        assert take_from_worker(self.jobs, job_id) == [(job_id, Queue.RENDER)]

    def finish(self, job_id: str, painter: PaintAnimator) -> JobRecord:
        """Render the job in another worker and return its record."""
        self.desk.with_animator(painter, "w2").run(Queue.RENDER, job_id)
        return self.desk.record(job_id)

    def checkpoints(self, job_id: str) -> list[str]:
        """Names of the checkpoints in the object store."""
        files = self.folder.rglob(f"*{job_id}/*/checkpoints/*/*")
        return sorted(str(file.relative_to(self.folder)) for file in files)
