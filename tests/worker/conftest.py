"""A job runner on real stores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
import torch

from service.contract.job import DrivingKind, JobInputs, JobKind, JobRecord, Output, new_job_id
from service.contract.options import JobOptions
from service.contract.params import JobParams
from service.contract.queues import Queue
from service.settings import Settings
from service.stores.job_store import commands
from service.stores.job_store.hints import HintSender
from service.stores.job_store.store import JobStore
from service.stores.object_store.base import ObjectStore
from service.stores.object_store.open import open_objects
from tests import samples
from tests.worker.paint import PaintAnimator, black_video
from worker.job_runner import JobRunner
from worker.outputs.provenance.finish import Provenance
from worker.runtime.shutdown import Shutdown


@pytest.fixture(scope="module")
def one_thread_each() -> Iterator[None]:
    """Several processes of the model on a few cores: one thread for each, as for this one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(before)


@pytest.fixture
def settings(tmp_path: Path, redis_url: str) -> Settings:
    """Settings of a service on the folder store, with a short lease."""
    chosen = {"data": tmp_path / "data", "redis_url": redis_url, "lease_ms": 600}
    return Settings.model_validate(chosen)


@pytest.fixture
def hints(jobs: JobStore) -> HintSender:
    return HintSender(jobs)


@pytest.fixture
def objects(settings: Settings) -> ObjectStore:
    return open_objects(settings)


@pytest.fixture
def runner(
    settings: Settings, jobs: JobStore, hints: HintSender, objects: ObjectStore
) -> JobRunner:
    """A runner around the painting animator."""
    settings.spool_folder.mkdir(parents=True, exist_ok=True)
    return JobRunner(
        jobs=jobs,
        objects=objects,
        hints=hints,
        animator=PaintAnimator(),
        worker="w1",
        scratch=settings.spool_folder,
        lease_ms=settings.lease_ms,
        shutdown=Shutdown(),
    )


class Desk:
    """Creates and reads jobs."""

    def __init__(
        self, jobs: JobStore, objects: ObjectStore, runner: JobRunner, folder: Path
    ) -> None:
        self._jobs, self._objects, self._runner, self._folder = jobs, objects, runner, folder

    def submit(
        self,
        *,
        black: bool = False,
        steps: int = 5,
        frames: int = 4,
        kind: JobKind = JobKind.ANIMATE,
        options: JobOptions | None = None,
    ) -> str:
        """Create a job with stored inputs."""
        job_id = new_job_id()
        image, driving = self._folder / "image.png", self._folder / "driving.mp4"
        image.write_bytes(samples.png())
        if black:
            black_video(driving)
        else:
            samples.write_video(driving, frames=frames)
        inputs = JobInputs(
            image=None if kind is JobKind.POSES else f"jobs/{job_id}/inputs/image.png",
            driving=f"jobs/{job_id}/inputs/driving.mp4",
            driving_kind=DrivingKind.VIDEO,
            frames=frames,
        )
        if inputs.image is not None:
            self._objects.put(inputs.image, image)
        self._objects.put(inputs.driving, driving)
        params = JobParams(seed=7, num_inference_steps=steps)
        self._jobs.run(commands.create(job_id, params, inputs, kind=kind, options=options))
        return job_id

    def record(self, job_id: str) -> JobRecord:
        """Return the job's current record."""
        snapshot = self._jobs.run(commands.read(job_id))
        assert snapshot is not None
        return snapshot.record

    def finish(self, job_id: str, runner: JobRunner | None = None) -> JobRecord:
        """Run both stages and return the job's record."""
        for queue in Queue:
            (runner or self._runner).run(queue, job_id)
        return self.record(job_id)

    def with_animator(self, animator: PaintAnimator, worker: str = "w1") -> JobRunner:
        """Return another runner on the same stores, with its own shutdown."""
        return replace(self._runner, animator=animator, worker=worker, shutdown=Shutdown())

    def with_provenance(self, provenance: Provenance) -> JobRunner:
        """Return another runner on the same stores, with watermarks and signatures."""
        return replace(self._runner, provenance=provenance)

    def output(self, record: JobRecord, output: Output, folder: Path) -> Path:
        """Download an output of an ended job."""
        key = record.outputs[output]
        file = folder / PurePosixPath(key).name
        self._objects.fetch(key, file)
        return file


@pytest.fixture
def desk(jobs: JobStore, objects: ObjectStore, runner: JobRunner, tmp_path: Path) -> Desk:
    return Desk(jobs, objects, runner, tmp_path)
