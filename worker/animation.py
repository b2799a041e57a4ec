"""What the job runner asks of a model. `worker.animator` answers with the real one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from service.contract.job import Output
from service.contract.params import JobParams
from service.contract.workers import DeviceMemory, ModelInfo
from tcan_core.progress import AnimateProgress

Report = Callable[[AnimateProgress], None]
Canceled = Callable[[], bool]


@dataclass(frozen=True)
class Rendering:
    """Files of a finished animation, and how it went."""

    outputs: dict[Output, Path]
    seconds: dict[str, float] = field(default_factory=dict)
    """Of each stage."""
    report: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    unmarked: str = ""
    """Why its pictures bear no watermark; empty where they do, or where the service makes none."""


class Animator(Protocol):
    """A model with the two stages of a job. Paths are local; nothing is kept between calls.

    Both stages report steps, stop soon when `canceled`, and raise the errors of `worker.failures`.
    """

    def load(self) -> None:
        """Load what the worker's queues need; done once, before it takes jobs."""

    def memory(self) -> DeviceMemory:
        """Memory of the device, now."""

    def describe(self) -> ModelInfo:
        """The model, for callers and for manifests; its weights as far as they are loaded."""

    def preview(self, driving: Path, folder: Path, report: Report, canceled: Canceled) -> Rendering:
        """Find and clean the driver's poses; a video of them and a pose file into `folder`."""

    def prepare(
        self,
        image: Path,
        driving: Path,
        prepared: Path,
        params: JobParams,
        report: Report,
        canceled: Canceled,
    ) -> list[str]:
        """Read the inputs, find, clean and draw the poses, and write what `render` needs of them.

        Args:
            prepared: the file to write; its name ends in `.zip`.

        Returns:
            Warnings for the caller.
        """

    def render(
        self,
        image: Path,
        prepared: Path,
        folder: Path,
        params: JobParams,
        report: Report,
        canceled: Canceled,
        *,
        resume: Path | None = None,
        frugal: bool = False,
        mark: int | None = None,
    ) -> Rendering:
        """Animate into files of `folder`.

        Args:
            resume: the saved state of an earlier render of the same job, by the same model; what
                was done there is not done again, and the result is the same.
            frugal: take less memory and more time.
            mark: 32 bits that the watermark of all pictures carries; None leaves them unmarked, and
                pictures that can hold none stay so, which the rendering tells.

        Raises:
            CheckpointUnusableError: `resume` cannot be used.
            AnimationOutOfMemoryError: memory ran out; being frugal may help.
        """
