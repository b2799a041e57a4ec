"""The stages of one job under one lease: fetch inputs, run the model, store outputs.

Each stage returns the command that ends it. The caller runs it, or another one after a cancel.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path, PurePosixPath

from media.digest import file_sha256
from service.contract.job import Checkpoint, JobKind, JobRecord, Output
from service.contract.queues import Queue
from service.stores.job_store import commands
from service.stores.job_store.commands import Command
from service.stores.job_store.snapshots import LeaseStatus
from service.stores.job_store.store import JobStore
from service.stores.object_store.base import ObjectMissingError, ObjectStore
from tcan_core.progress import AnimateProgress
from worker.animation import Animator, Rendering
from worker.failures import (
    AnimationCanceledError,
    AnimationOutOfMemoryError,
    CheckpointUnusableError,
)
from worker.outputs.checkpoints import CheckpointWriter, model_fingerprint
from worker.outputs.manifest import make_manifest, make_statement
from worker.outputs.previews import PreviewWriter
from worker.outputs.progress import ProgressWriter, job_progress
from worker.outputs.provenance.finish import Provenance
from worker.runtime.lease import Lease, StopReason

logger = logging.getLogger(__name__)

LOW_MEMORY_WARNING = (
    "the device's memory ran out; the job was done with fewer windows and frames at a time"
)
SKELETONS = "drawn skeletons carry no watermark"


@dataclass
class Stages:
    """The stages of a claimed job.

    Attributes:
        record: the job as it was claimed; its token is part of every write and every key.
        folder: scratch folder; removed afterwards.
        checkpoint_s: minimum time between two checkpoints.
        provenance: watermarks and signs results.
        checkpoint: the last one, also of this attempt.
    """

    jobs: JobStore
    objects: ObjectStore
    animator: Animator
    record: JobRecord
    lease: Lease
    folder: Path
    checkpoint_s: float
    provenance: Provenance = Provenance()

    def __post_init__(self) -> None:
        self.checkpoint = self.record.checkpoint
        # A second render of the attempt reaches the same steps with other previews.
        self._preview_numbers = count(1)

    def prepare(self) -> Command[LeaseStatus]:
        """Detect the poses and draw them for `render`; a preview of poses ends here."""
        record, started_s = self.record, time.monotonic()
        files = {name: self._fetch(key) for name, key in record.inputs.object_keys().items()}
        report = ProgressWriter(self.lease.renew)
        if record.kind is JobKind.POSES:
            poses = self.animator.preview(
                files.get("driving"),
                self.folder,
                record.params,
                report,
                self._is_stopped,
                image=files.get("image"),
                image_pose=files.get("image_pose"),
            )
            poses = replace(poses, no_watermark_reason=SKELETONS)
            return self._publish(poses, _prepare_seconds(started_s), _digests_of(files), None)
        prepared, image, driving = self.folder / "prepared.zip", files["image"], files["driving"]
        warnings = self.animator.prepare(
            image,
            driving,
            prepared,
            record.params,
            report,
            self._is_stopped,
            image_pose=files.get("image_pose"),
        )
        key = output_key(record, prepared.name)
        self._put_digests(key, files)
        self._put(key, prepared)
        return commands.hand_over(
            record.id, record.token, Queue.RENDER, key, warnings, _prepare_seconds(started_s)
        )

    def render(self) -> Command[LeaseStatus]:
        """Animate, from the last checkpoint if there is one.

        An unusable checkpoint restarts the job; when memory runs out, it is tried once more with
        less.
        """
        assert self.record.prepared is not None, "a job in the render queue has been prepared"
        inputs = self._digests()
        watermark = self.provenance.payload(self.record, inputs, self.animator.describe())
        image, prepared = self._image(), self._fetch(self.record.prepared)
        resume = self._resume_file()
        low_memory, rendering = False, None
        while rendering is None:
            progress = ProgressWriter(self.lease.renew)
            with (
                PreviewWriter(progress, self._add_preview) as previews,
                CheckpointWriter(
                    previews, self._keep, self.folder, self.lease, self.checkpoint_s
                ) as report,
            ):
                try:
                    rendering = self.animator.render(
                        image,
                        prepared,
                        self.folder,
                        self.record.params,
                        report,
                        self._is_stopped,
                        resume=resume,
                        low_memory=low_memory,
                        watermark=watermark,
                    )
                except CheckpointUnusableError as error:
                    if resume is None:
                        raise
                    logger.warning("job %s: restarted: %s", self.record.id, error)
                    resume = None
                    continue
                except AnimationOutOfMemoryError:
                    if low_memory:
                        raise
                    low_memory = True
            # Behind the handler, because an error that is being handled keeps memory alive.
            if rendering is None:
                logger.warning("job %s: memory ran out, trying with less", self.record.id)
                resume = self._resume_file()
        if low_memory:
            rendering = replace(rendering, warnings=[*rendering.warnings, LOW_MEMORY_WARNING])
        seconds = self.record.seconds | rendering.seconds
        # The checkpoint stays until the end is written: a worker that dies here loses one step.
        return self._publish(rendering, seconds, inputs, watermark)

    def _resume_file(self) -> Path | None:
        """Return the last checkpoint's file, if it exists and belongs to this model."""
        checkpoint = self.checkpoint
        if checkpoint is None:
            return None
        if checkpoint.model != model_fingerprint(self.animator.describe()):
            logger.warning("job %s: restarted: checkpoint of another model", self.record.id)
            return None
        try:
            file = self._fetch(checkpoint.key)
        except ObjectMissingError as error:
            logger.warning("job %s: restarted: %s", self.record.id, error.detail)
            return None
        logger.info("job %s: resumed step=%d", self.record.id, checkpoint.progress.step)
        return file

    def _keep(self, file: Path, progress: AnimateProgress) -> None:
        """Make this file the job's checkpoint, and erase the previous one."""
        checkpoint = Checkpoint(
            key=output_key(self.record, f"checkpoints/{progress.step}/{file.name}"),
            model=model_fingerprint(self.animator.describe()),
            progress=job_progress(progress),
        )
        self.objects.put(checkpoint.key, file)
        status = self.jobs.run(
            commands.keep_checkpoint(self.record.id, self.record.token, checkpoint)
        )
        obsolete, self.checkpoint = self.checkpoint, checkpoint
        if status is LeaseStatus.LOST:
            obsolete, self.checkpoint = checkpoint, None
        if obsolete is not None:
            self.objects.delete(obsolete.key.rpartition("/")[0])

    def _publish(
        self,
        rendering: Rendering,
        seconds: dict[str, float],
        inputs: dict[str, str],
        watermark: int | None,
    ) -> Command[LeaseStatus]:
        """Sign and store the outputs and their manifest; return the command that ends the job."""
        self._raise_if_unwanted()
        record, model = self.record, self.animator.describe()
        warnings = [*record.warnings, *rendering.warnings]
        manifest = self.folder / "manifest.json"
        # What a preview shows is not generated.
        generated = rendering.outputs if record.kind is JobKind.ANIMATE else {}
        signed = self.provenance.sign(generated, make_statement(record, model, inputs))
        content = make_manifest(record, rendering, model, seconds, inputs, watermark, signed)
        manifest.write_text(json.dumps(content, indent=2), encoding="utf-8")
        outputs = {}
        for output, file in {**rendering.outputs, Output.MANIFEST: manifest}.items():
            outputs[output] = output_key(record, f"{output}{file.suffix}")
            self._put(outputs[output], file)
        return commands.succeed(
            record.id, record.token, outputs, warnings, seconds, rendering.review
        )

    def _put_digests(self, prepared: str, inputs: Mapping[str, Path]) -> None:
        """Store the digests of the inputs for `render`, which does not fetch the driving video."""
        file = self.folder / "inputs.json"
        file.write_text(json.dumps(_digests_of(inputs)), encoding="utf-8")
        self._put(_digests_key(prepared), file)

    def _digests(self) -> dict[str, str]:
        """Return the sha256 of each input, as `prepare` stored them."""
        assert self.record.prepared is not None, "a job in the render queue has been prepared"
        file = self._fetch(_digests_key(self.record.prepared))
        digests: dict[str, str] = json.loads(file.read_text())
        return digests

    def _is_stopped(self) -> bool:
        return self.lease.stop_reason is not None

    def _put(self, key: str, file: Path) -> None:
        self._raise_if_unwanted()
        self.objects.put(key, file)

    def _raise_if_unwanted(self) -> None:
        """Stop if the job was canceled or its lease is lost; a shutdown stores the outputs."""
        if self.lease.stop_reason in (StopReason.CANCELED, StopReason.LOST):
            raise AnimationCanceledError

    def _image(self) -> Path:
        assert self.record.inputs.image is not None, "only a preview of poses has no image"
        return self._fetch(self.record.inputs.image)

    def _add_preview(self, step: int, webp: bytes) -> None:
        """Store a preview and announce it; delete it again when the lease is lost."""
        folder = output_key(self.record, f"previews/{next(self._preview_numbers)}")
        key = f"{folder}/preview-{step}.webp"
        self.objects.put(key, webp)
        added = commands.add_preview(self.record.id, self.record.token, key)
        if self.jobs.run(added) is LeaseStatus.LOST:
            self.objects.delete(folder)

    def _fetch(self, key: str) -> Path:
        file = self.folder / PurePosixPath(key).name
        self.objects.fetch(key, file)
        return file


def _prepare_seconds(started_s: float) -> dict[str, float]:
    return {"prepare": time.monotonic() - started_s}


def _digests_of(files: Mapping[str, Path]) -> dict[str, str]:
    return {name: file_sha256(file) for name, file in files.items()}


def _digests_key(prepared: str) -> str:
    return f"{prepared.rpartition('/')[0]}/inputs.json"


def output_key(record: JobRecord, name: str) -> str:
    """Return the key for a file of the worker that holds this token."""
    return f"jobs/{record.id}/{record.token}/{name}"
