"""What is done for one job under one lease: its inputs fetched, a stage of the model, its outputs.

Each stage gives the write that ends it; the caller makes it, or another one if a cancel came.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from service.contract.job import Checkpoint, JobKind, JobRecord, Output
from service.contract.queues import Queue
from service.stores import calls
from service.stores.calls import Call, Hold
from service.stores.jobs import Jobs
from service.stores.objects import ObjectMissingError, ObjectStore
from worker.animation import Animator, Rendering, Report, Step
from worker.checkpoints import CheckpointWriter, mark_of
from worker.failures import AnimationOutOfMemory, CheckpointUnusable
from worker.lease import Lease
from worker.manifest import make_manifest
from worker.previews import PreviewWriter
from worker.progress import ProgressWriter, progress_at

logger = logging.getLogger(__name__)

FRUGAL_WARNING = (
    "the device's memory ran out; the job was done with fewer windows and frames at a time"
)


@dataclass
class Stages:
    """The stages of a job that was taken.

    Attributes:
        record: the job as it was taken; its token marks every write and every key.
        folder: for files; removed afterwards.
        checkpoint_s: the least time between two checkpoints.
        checkpoint: the last one; moves on with those that are kept here.
    """

    jobs: Jobs
    objects: ObjectStore
    animator: Animator
    record: JobRecord
    lease: Lease
    folder: Path
    checkpoint_s: float

    def __post_init__(self) -> None:
        self.checkpoint = self.record.checkpoint

    def prepare(self) -> Call[Hold]:
        """Find the poses and draw them, for `render`; a preview of poses ends here."""
        record, began_s = self.record, time.monotonic()
        driving = self._fetch(record.inputs.driving)
        report = ProgressWriter(self.lease.renew)
        if record.kind is JobKind.POSES:
            shown = self.animator.preview(driving, self.folder, report, self._stopped)
            return self._publish(shown, _since(began_s))
        prepared = self.folder / "prepared.zip"
        warnings = self.animator.prepare(
            self._image(), driving, prepared, record.params, report, self._stopped
        )
        key = output_key(record, prepared.name)
        self.objects.put(key, prepared)
        return calls.hand_over(
            record.id, record.token, Queue.RENDER, key, warnings, _since(began_s)
        )

    def render(self) -> Call[Hold]:
        """Animate, from the last checkpoint on where there is one."""
        try:
            rendering = self._animate(frugal=False)
        except AnimationOutOfMemory:
            rendering = None
        if rendering is None:  # not above: an error that is being handled holds on to memory
            logger.warning("job %s: memory ran out; once more, frugally", self.record.id)
            rendering = self._animate(frugal=True)
            rendering = replace(rendering, warnings=[*rendering.warnings, FRUGAL_WARNING])
        end = self._publish(rendering, self.record.seconds | rendering.seconds)
        if self.checkpoint is not None:
            self._erase(self.checkpoint)
        return end

    def _animate(self, frugal: bool) -> Rendering:
        assert self.record.prepared is not None, "a job in the render queue has been prepared"
        image, prepared = self._image(), self._fetch(self.record.prepared)
        resume = self._resume_file()
        report: Report = PreviewWriter(
            ProgressWriter(self.lease.renew), self._add_preview, self.folder
        )
        while True:
            with CheckpointWriter(
                report, self._keep, self.folder, self.lease, self.checkpoint_s
            ) as steps:
                try:
                    return self.animator.render(
                        image,
                        prepared,
                        self.folder,
                        self.record.params,
                        steps,
                        self._stopped,
                        resume=resume,
                        frugal=frugal,
                    )
                except CheckpointUnusable as error:
                    if resume is None:
                        raise
                    logger.warning("job %s: begins anew: %s", self.record.id, error)
                    resume = None

    def _resume_file(self) -> Path | None:
        """The last checkpoint's file, if it is there and this model's."""
        kept = self.checkpoint
        if kept is None:
            return None
        if kept.model != mark_of(self.animator.describe()):
            logger.warning("job %s: another model's checkpoint; begins anew", self.record.id)
            return None
        try:
            file = self._fetch(kept.key)
        except ObjectMissingError as error:
            logger.warning("job %s: begins anew: %s", self.record.id, error.detail)
            return None
        logger.info("job %s: goes on behind step %d", self.record.id, kept.progress.step)
        return file

    def _keep(self, file: Path, step: Step) -> None:
        """Make this the job's checkpoint, and erase the one before."""
        kept = Checkpoint(
            key=output_key(self.record, f"checkpoints/{step.step}/{file.name}"),
            model=mark_of(self.animator.describe()),
            progress=progress_at(step),
        )
        self.objects.put(kept.key, file)
        hold = self.jobs.run(calls.keep_checkpoint(self.record.id, self.record.token, kept))
        before, self.checkpoint = self.checkpoint, kept
        if hold is Hold.LOST:
            before, self.checkpoint = kept, None
        if before is not None:
            self._erase(before)

    def _erase(self, checkpoint: Checkpoint) -> None:
        self.objects.delete(checkpoint.key.rpartition("/")[0])

    def _publish(self, rendering: Rendering, seconds: dict[str, float]) -> Call[Hold]:
        """Store what was made, with its manifest; the write that ends the job."""
        record = self.record
        warnings = [*record.warnings, *rendering.warnings]
        manifest = self.folder / "manifest.json"
        content = make_manifest(record, rendering, self.animator.describe(), seconds)
        manifest.write_text(json.dumps(content, indent=2), encoding="utf-8")
        outputs = {}
        for output, file in {**rendering.outputs, Output.MANIFEST: manifest}.items():
            outputs[output] = output_key(record, f"{output}{file.suffix}")
            self.objects.put(outputs[output], file)
        return calls.succeed(record.id, record.token, outputs, warnings, seconds)

    def _stopped(self) -> bool:
        return self.lease.stop is not None

    def _image(self) -> Path:
        assert self.record.inputs.image is not None, "only a preview of poses has no image"
        return self._fetch(self.record.inputs.image)

    def _add_preview(self, file: Path) -> None:
        key = output_key(self.record, f"previews/{file.name}")
        self.objects.put(key, file)
        self.jobs.run(calls.add_preview(self.record.id, self.record.token, key))

    def _fetch(self, key: str) -> Path:
        file = self.folder / PurePosixPath(key).name
        self.objects.fetch(key, file)
        return file


def _since(began_s: float) -> dict[str, float]:
    return {"prepare": time.monotonic() - began_s}


def output_key(record: JobRecord, name: str) -> str:
    """Where a worker that holds this token puts a file."""
    return f"jobs/{record.id}/{record.token}/{name}"
