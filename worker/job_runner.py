"""One job's stage, from taking its lease to letting go of it.

A worker may start only by taking the lease; a hint that comes twice or late finds nothing to take.
Every write carries the lease's token, and outputs go to keys that hold the token, so that a worker
which lost its job cannot touch the result of the one that has it now.
"""

from __future__ import annotations

import json
import logging
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from service.contract.job import JobKind, JobRecord, Output
from service.contract.queues import Queue
from service.errors import Unavailable
from service.stores import calls
from service.stores.calls import Call, Hold
from service.stores.hints import Hints
from service.stores.jobs import Jobs
from service.stores.objects import ObjectStore
from service.telemetry.context import working_on
from worker.animation import Animator, Rendering
from worker.failures import AnimationCanceled, job_error
from worker.lease import Lease, Stop
from worker.manifest import make_manifest
from worker.previews import PreviewWriter
from worker.progress import ProgressWriter

logger = logging.getLogger(__name__)

END_TRIES = 10
END_PAUSE_S = 1.0


@dataclass(frozen=True)
class JobRunner:
    """Does stages of jobs, one at a time.

    Attributes:
        scratch: a folder for the files of the job at work; on one file system with the objects.
        shutdown: set when this worker must leave; the job at work is then given back.
    """

    jobs: Jobs
    objects: ObjectStore
    hints: Hints
    animator: Animator
    worker: str
    preset: str
    scratch: Path
    lease_ms: int
    shutdown: threading.Event

    def run(self, queue: Queue, job_id: str) -> None:
        """Do the job's stage if it waits for one in this queue; never raises for the job's sake."""
        if self.shutdown.is_set():
            return
        try:
            record = self.jobs.run(calls.take(job_id, queue, self.worker, self.lease_ms))
            if record is None:
                logger.info("job %s: does not wait in %s", job_id, queue)
                return
            logger.info("job %s: %s, attempt %d", job_id, queue, record.attempts)
            with working_on(job_id, queue, record.request_id, record.traceparent):
                self._work(queue, record)
        except Unavailable as error:
            logger.warning("job %s: left to its lease: %s", job_id, error)

    def _work(self, queue: Queue, record: JobRecord) -> None:
        stage = self._prepare if queue is Queue.PREPARE else self._render
        with (
            Lease(self.jobs, record, self.lease_ms, self.shutdown) as lease,
            tempfile.TemporaryDirectory(dir=self.scratch) as folder,
        ):
            end = self._outcome(stage, queue, record, lease, Path(folder))
            if end is None:
                logger.warning("job %s: another worker may have it; nothing is written", record.id)
                return
            hold = self._write(end)
        logger.info("job %s: %s of %s ends (%s)", record.id, end.script, queue, hold)
        self._hint_if_it_waits(record.id)

    def _outcome(
        self,
        stage: Callable[[JobRecord, Lease, Path], Call[Hold]],
        queue: Queue,
        record: JobRecord,
        lease: Lease,
        folder: Path,
    ) -> Call[Hold] | None:
        """Do the stage; the write that ends it, or None when the lease is gone."""
        try:
            end = stage(record, lease, folder)
        except AnimationCanceled:
            end = calls.release(record.id, record.token)
        except Unavailable:
            raise
        except Exception as error:
            logger.exception("job %s: %s failed", record.id, queue)
            end = calls.fail(record.id, record.token, job_error(error, queue))
        if lease.stop is Stop.LOST:
            return None
        if lease.stop is Stop.CANCELED:
            return calls.end_canceled(record.id, record.token)
        return end

    def _write(self, end: Call[Hold]) -> Hold:
        """End the stage; patiently, since all of its work would be lost. Raises Unavailable."""
        for _ in range(END_TRIES - 1):
            try:
                return self.jobs.run(end)
            except Unavailable as error:
                logger.warning("the end of a stage is not written yet: %s", error)
                time.sleep(END_PAUSE_S)
        return self.jobs.run(end)

    def _prepare(self, record: JobRecord, lease: Lease, folder: Path) -> Call[Hold]:
        began_s = time.monotonic()
        driving = self._fetch(record.inputs.driving, folder)
        report = ProgressWriter(lease.renew)
        if record.kind is JobKind.POSES:
            shown = self.animator.preview(driving, folder, report, lambda: lease.stop is not None)
            return self._publish(record, shown, _since(began_s), folder)
        prepared = folder / "prepared.json"
        image = self._image(record, folder)
        warnings = self.animator.prepare(
            image, driving, prepared, report, lambda: lease.stop is not None
        )
        key = output_key(record, prepared.name)
        self.objects.put(key, prepared)
        return calls.hand_over(
            record.id, record.token, Queue.RENDER, key, warnings, _since(began_s)
        )

    def _render(self, record: JobRecord, lease: Lease, folder: Path) -> Call[Hold]:
        assert record.prepared is not None, "a job in the render queue has been prepared"
        rendering = self.animator.render(
            self._image(record, folder),
            self._fetch(record.prepared, folder),
            folder,
            record.params,
            PreviewWriter(
                ProgressWriter(lease.renew), lambda file: self._add_preview(record, file), folder
            ),
            lambda: lease.stop is not None,
        )
        return self._publish(record, rendering, record.seconds | rendering.seconds, folder)

    def _publish(
        self, record: JobRecord, rendering: Rendering, seconds: dict[str, float], folder: Path
    ) -> Call[Hold]:
        """Store what was made, with its manifest; the write that ends the job."""
        warnings = [*record.warnings, *rendering.warnings]
        manifest = folder / "manifest.json"
        content = make_manifest(record, rendering, self.animator.describe(), seconds)
        manifest.write_text(json.dumps(content, indent=2), encoding="utf-8")
        outputs = {}
        for output, file in {**rendering.outputs, Output.MANIFEST: manifest}.items():
            outputs[output] = output_key(record, f"{output}{file.suffix}")
            self.objects.put(outputs[output], file)
        return calls.succeed(record.id, record.token, outputs, warnings, seconds)

    def _image(self, record: JobRecord, folder: Path) -> Path:
        assert record.inputs.image is not None, "only a preview of poses has no image"
        return self._fetch(record.inputs.image, folder)

    def _add_preview(self, record: JobRecord, file: Path) -> None:
        key = output_key(record, f"previews/{file.name}")
        self.objects.put(key, file)
        self.jobs.run(calls.add_preview(record.id, record.token, key))

    def _fetch(self, key: str, folder: Path) -> Path:
        file = folder / PurePosixPath(key).name
        self.objects.fetch(key, file)
        return file

    def _hint_if_it_waits(self, job_id: str) -> None:
        """Tell the workers of the next queue; without a hint the reconciler would, later."""
        placed = self.jobs.run(calls.read(job_id))
        if placed is not None and placed.position is not None:
            self.hints.send(job_id, placed.record.queue)


def _since(began_s: float) -> dict[str, float]:
    return {"prepare": time.monotonic() - began_s}


def output_key(record: JobRecord, name: str) -> str:
    """Where a worker that holds this token puts a file."""
    return f"jobs/{record.id}/{record.token}/{name}"
