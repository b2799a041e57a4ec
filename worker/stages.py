"""What is done for one job under one lease: its inputs fetched, a stage of the model, its outputs.

Each stage gives the write that ends it; the caller makes it, or another one if a cancel came.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path, PurePosixPath

from service.contract.job import Checkpoint, JobKind, JobRecord, Output
from service.contract.queues import Queue
from service.stores.job_store import commands
from service.stores.job_store.commands import Command, LeaseStatus
from service.stores.job_store.store import Jobs
from service.stores.object_store.base import ObjectMissingError, ObjectStore
from tcan_core.progress import AnimateProgress
from worker.animation import Animator, Rendering, Report
from worker.failures import (
    AnimationCanceledError,
    AnimationOutOfMemoryError,
    CheckpointUnusableError,
)
from worker.outputs.checkpoints import CheckpointWriter, mark_of
from worker.outputs.manifest import Origin, make_manifest, make_statement
from worker.outputs.previews import PreviewWriter
from worker.outputs.progress import ProgressWriter, progress_at
from worker.outputs.provenance.finish import Provenance, file_digest
from worker.runtime.lease import Lease, Stop

logger = logging.getLogger(__name__)

FRUGAL_WARNING = (
    "the device's memory ran out; the job was done with fewer windows and frames at a time"
)
SKELETONS = "drawn skeletons bear no mark"


@dataclass
class Stages:
    """The stages of a job that was taken.

    Attributes:
        record: the job as it was taken; its token marks every write and every key.
        folder: for files; removed afterwards.
        checkpoint_s: the least time between two checkpoints.
        provenance: what is done to results so that they say what they are.
        checkpoint: the last one; moves on with those that are kept here.
    """

    jobs: Jobs
    objects: ObjectStore
    animator: Animator
    record: JobRecord
    lease: Lease
    folder: Path
    checkpoint_s: float
    provenance: Provenance = Provenance()

    def __post_init__(self) -> None:
        self.checkpoint = self.record.checkpoint
        # A frugal render comes to the same steps again; its previews are other pictures.
        self._numbers = count(1)

    def prepare(self) -> Command[LeaseStatus]:
        """Find the poses and draw them, for `render`; a preview of poses ends here."""
        record, began_s = self.record, time.monotonic()
        driving = self._fetch(record.inputs.driving)
        report = ProgressWriter(self.lease.renew)
        if record.kind is JobKind.POSES:
            shown = self.animator.preview(driving, self.folder, report, self._stopped)
            shown = replace(shown, unmarked=SKELETONS)
            return self._publish(shown, _since(began_s), {"driving": file_digest(driving)}, None)
        prepared, image = self.folder / "prepared.zip", self._image()
        warnings = self.animator.prepare(
            image, driving, prepared, record.params, report, self._stopped
        )
        key = output_key(record, prepared.name)
        self._put_digests(key, image, driving)
        self._put(key, prepared)
        return commands.hand_over(
            record.id, record.token, Queue.RENDER, key, warnings, _since(began_s)
        )

    def render(self) -> Command[LeaseStatus]:
        """Animate, from the last checkpoint on where there is one."""
        inputs = self._digests()
        mark = self.provenance.payload(self.record, inputs, self.animator.describe())
        try:
            rendering = self._animate(mark, frugal=False)
        except AnimationOutOfMemoryError:
            rendering = None
        if rendering is None:  # not above: an error that is being handled holds on to memory
            logger.warning("job %s: memory ran out; once more, frugally", self.record.id)
            rendering = self._animate(mark, frugal=True)
            rendering = replace(rendering, warnings=[*rendering.warnings, FRUGAL_WARNING])
        seconds = self.record.seconds | rendering.seconds
        # The checkpoint stays until the end is written: who dies before that has lost one step.
        return self._publish(rendering, seconds, inputs, mark)

    def _animate(self, mark: int | None, frugal: bool) -> Rendering:
        assert self.record.prepared is not None, "a job in the render queue has been prepared"
        image, prepared = self._image(), self._fetch(self.record.prepared)
        resume = self._resume_file()
        with PreviewWriter(ProgressWriter(self.lease.renew), self._add_preview) as report:
            return self._render(image, prepared, report, resume, frugal, mark)

    def _render(
        self,
        image: Path,
        prepared: Path,
        report: Report,
        resume: Path | None,
        frugal: bool,
        mark: int | None,
    ) -> Rendering:
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
                        mark=mark,
                    )
                except CheckpointUnusableError as error:
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

    def _keep(self, file: Path, step: AnimateProgress) -> None:
        """Make this the job's checkpoint, and erase the one before."""
        kept = Checkpoint(
            key=output_key(self.record, f"checkpoints/{step.step}/{file.name}"),
            model=mark_of(self.animator.describe()),
            progress=progress_at(step),
        )
        self.objects.put(kept.key, file)
        hold = self.jobs.run(commands.keep_checkpoint(self.record.id, self.record.token, kept))
        before, self.checkpoint = self.checkpoint, kept
        if hold is LeaseStatus.LOST:
            before, self.checkpoint = kept, None
        if before is not None:
            self._erase(before)

    def _erase(self, checkpoint: Checkpoint) -> None:
        self.objects.delete(checkpoint.key.rpartition("/")[0])

    def _publish(
        self,
        rendering: Rendering,
        seconds: dict[str, float],
        inputs: dict[str, str],
        mark: int | None,
    ) -> Command[LeaseStatus]:
        """Sign and store what was made, with its manifest; the write that ends the job."""
        self._unless_over()
        record, model = self.record, self.animator.describe()
        warnings = [*record.warnings, *rendering.warnings]
        manifest = self.folder / "manifest.json"
        signed = self.provenance.sign(rendering.outputs, make_statement(record, model, inputs))
        origin = Origin(inputs, mark, signed)
        content = make_manifest(record, rendering, model, seconds, origin)
        manifest.write_text(json.dumps(content, indent=2), encoding="utf-8")
        outputs = {}
        for output, file in {**rendering.outputs, Output.MANIFEST: manifest}.items():
            outputs[output] = output_key(record, f"{output}{file.suffix}")
            self._put(outputs[output], file)
        return commands.succeed(record.id, record.token, outputs, warnings, seconds)

    def _put_digests(self, prepared: str, image: Path, driving: Path) -> None:
        """Leave to `render` what the inputs are; it does not fetch the driver again."""
        file = self.folder / "inputs.json"
        digests = {"image": file_digest(image), "driving": file_digest(driving)}
        file.write_text(json.dumps(digests), encoding="utf-8")
        self._put(_beside(prepared), file)

    def _digests(self) -> dict[str, str]:
        """The sha256 of each input, as `prepare` found them."""
        assert self.record.prepared is not None, "a job in the render queue has been prepared"
        found: dict[str, str] = json.loads(self._fetch(_beside(self.record.prepared)).read_text())
        return found

    def _stopped(self) -> bool:
        return self.lease.stop is not None

    def _put(self, key: str, file: Path) -> None:
        self._unless_over()
        self.objects.put(key, file)

    def _unless_over(self) -> None:
        """Go on where what was made is wanted, also by a worker that leaves."""
        if self.lease.stop in (Stop.CANCELED, Stop.LOST):
            raise AnimationCanceledError

    def _image(self) -> Path:
        assert self.record.inputs.image is not None, "only a preview of poses has no image"
        return self._fetch(self.record.inputs.image)

    def _add_preview(self, step: int, packed: bytes) -> None:
        """Store a preview and tell of it; of a job that is no longer ours none is left."""
        folder = output_key(self.record, f"previews/{next(self._numbers)}")
        key = f"{folder}/preview-{step}.webp"
        self.objects.put(key, packed)
        added = commands.add_preview(self.record.id, self.record.token, key)
        if self.jobs.run(added) is LeaseStatus.LOST:
            self.objects.delete(folder)

    def _fetch(self, key: str) -> Path:
        file = self.folder / PurePosixPath(key).name
        self.objects.fetch(key, file)
        return file


def _since(began_s: float) -> dict[str, float]:
    return {"prepare": time.monotonic() - began_s}


def _beside(prepared: str) -> str:
    return f"{prepared.rpartition('/')[0]}/inputs.json"


def output_key(record: JobRecord, name: str) -> str:
    """Where a worker that holds this token puts a file."""
    return f"jobs/{record.id}/{record.token}/{name}"
