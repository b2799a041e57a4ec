"""The model's interface for the job runner; `worker.animator` implements it with the real model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from service.contract.job import Output
from service.contract.params import JobParams
from service.contract.review import Review
from service.contract.workers import DeviceMemory, ModelInfo
from tcan_core.progress import ProgressCallback


@dataclass(frozen=True)
class Rendering:
    """The files of a finished animation.

    Attributes:
        seconds: time taken by each stage.
        report: details for the manifest.
        warnings: texts for the caller.
        no_watermark_reason: why the images carry no watermark; empty if they carry one, or if the
            service makes none.
        review: layout of the output `review`, if there is one.
    """

    outputs: dict[Output, Path]
    seconds: dict[str, float] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    no_watermark_reason: str = ""
    review: Review | None = None


class Animator(Protocol):
    """A model with the two stages of a job. Paths are local; no state is kept between calls.

    Both stages report progress, stop soon after `is_canceled` returns True, and raise the errors of
    `worker.failures`.
    """

    def load(self) -> None:
        """Load what the worker's queues need; called once, before the first job."""

    def memory(self) -> DeviceMemory:
        """Return the current memory use of the device."""

    def describe(self) -> ModelInfo:
        """Describe the model for callers and manifests; only loaded weights are listed."""

    def preview(
        self,
        driving: Path | None,
        folder: Path,
        params: JobParams,
        report: ProgressCallback,
        is_canceled: Callable[[], bool],
        *,
        image: Path | None = None,
        image_pose: Path | None = None,
    ) -> Rendering:
        """Find the poses of a driving file, of an image, or of both; write files to `folder`.

        Args:
            image_pose: pose file of the image; its pose is detected by default.
        """

    def prepare(
        self,
        image: Path,
        driving: Path,
        prepared: Path,
        params: JobParams,
        report: ProgressCallback,
        is_canceled: Callable[[], bool],
        *,
        image_pose: Path | None = None,
    ) -> list[str]:
        """Read the inputs, detect, clean and draw the poses, and write what `render` needs.

        Args:
            prepared: the file to write; its name ends in `.zip`.
            image_pose: pose file of the image; its pose is detected by default.

        Returns:
            Warnings for the caller.
        """

    def render(
        self,
        image: Path,
        prepared: Path,
        folder: Path,
        params: JobParams,
        report: ProgressCallback,
        is_canceled: Callable[[], bool],
        *,
        resume: Path | None = None,
        low_memory: bool = False,
        watermark: int | None = None,
    ) -> Rendering:
        """Animate into files of `folder`.

        Args:
            resume: the saved state of an earlier render of the same job by the same model; its
                steps are not repeated, and the result is the same.
            low_memory: use less memory and more time.
            watermark: 32 bits for the watermark of all images; None makes no watermark. Images that
                can hold none stay without, and the rendering says so.

        Raises:
            CheckpointUnusableError: `resume` cannot be used.
            AnimationOutOfMemoryError: memory ran out; `low_memory` may help.
        """
