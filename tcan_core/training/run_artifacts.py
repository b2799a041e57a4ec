"""Artifacts of a run: checkpoints, scalars, sample sheets, validation clips, trained parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from media.image import write_png
from tcan_core.errors import ConfigError, NotFiniteError
from tcan_core.training.checkpoint import load_checkpoint
from tcan_core.training.config import RunConfig
from tcan_core.training.disk_space import check_space, free_bytes, gigabytes
from tcan_core.training.distributed import rank
from tcan_core.training.kept_checkpoints import KeptCheckpoints
from tcan_core.training.stage import Stage
from tcan_core.training.trainer import Trainer

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


BEST_BY = "moving_region_psnr"  # the best checkpoint has the highest one in validation


class RunArtifacts:
    """The output folders of one run. All methods but `start` are for rank 0 only."""

    def __init__(
        self, stage: Stage, trainer: Trainer, run: RunConfig, saved: Callable[[], None]
    ) -> None:
        self._stage, self._trainer, self._run, self._saved = stage, trainer, run, saved
        self._folder = Path(run.output)
        self._writer: SummaryWriter | None = None
        self._checkpoints = KeptCheckpoints(self._folder, run.keep_checkpoints)
        self._saved_step = 0
        self._best: tuple[float, int] | None = None  # score and step

    def start(self, resume: bool) -> int:
        """Load the last checkpoint if there is one, and return its step, else 0.

        Raises:
            StorageError: there is no space for the checkpoints of this run.
            ConfigError: there is a checkpoint but `resume` is false, or its step is beyond the
                steps of this run.
        """
        path = self._checkpoints.last
        if not path.exists():
            self._check_space()
            return 0
        if not resume:
            raise ConfigError(
                f"{path} exists from an earlier run; continue it with --resume, remove the file, "
                "or choose another output"
            )
        start = self._saved_step = self._trainer.load(load_checkpoint(path), str(path))
        if start > self._run.steps:
            raise ConfigError(
                f"{path} is at step {start}, but this run has only {self._run.steps} steps; "
                "increase `run.steps` or choose another output"
            )
        self._best = self._checkpoints.best_score()
        self._check_space()
        return start

    def _check_space(self) -> None:
        """Raise StorageError if the disks cannot hold the checkpoints and exported parts."""
        if rank() == 0:
            for folder, needed_bytes, what in self._needed_space():
                check_space(folder, needed_bytes, what)

    def spaces(self) -> list[str]:
        """Return what the run writes and which space is free for it, in words."""
        return [
            f"{folder} needs {gigabytes(needed_bytes)} for {what}, free are "
            f"{gigabytes(free_bytes(folder))}"
            for folder, needed_bytes, what in self._needed_space()
        ]

    def _needed_space(self) -> list[tuple[Path, int, str]]:
        """Return folders with the bytes that the run will add to them, and what these are."""
        size = sum(value.nbytes for value in self._trainer.parameters.values())
        # Weights, averages and two moments; one checkpoint more while it is written.
        count = self._run.keep_checkpoints + (self._stage.validation is not None) + 1
        needed = max(4 * size * count - self._checkpoints.size_bytes, 0)
        spaces = [(self._folder, needed, f"{count} checkpoints (run.keep_checkpoints)")]
        export = Path(self._run.export)
        if not any(export.glob("*.safetensors")):
            spaces.append((export, size, "the trained parts"))
        return spaces

    def save(self, step: int) -> None:
        """Write a checkpoint and the trained parts.

        Raises:
            NotFiniteError: a weight is not finite; the last checkpoint and its parts are kept.
        """
        self._trainer.check_finite()
        # A run that resumes from this checkpoint does not log these scalars again.
        if self._writer is not None:
            self._writer.flush()
        self._checkpoints.save(self._trainer.state(step), self._saved_step)
        with self._trainer.exported_weights():
            self._stage.export(Path(self._run.export))
        self._saved_step = step
        self._saved()

    def keep(self, step: int) -> None:
        """Write a checkpoint if there is none of this step and all weights are finite."""
        if step > self._saved_step:
            with suppress(NotFiniteError):
                self.save(step)

    @property
    def kept(self) -> str:
        """A sentence part that says which checkpoint is on the disk; valid in rank 0."""
        path = self._checkpoints.last
        return f"{path} holds step {self._saved_step}" if self._saved_step else "Nothing was saved"

    def write_sheet(self, step: int) -> None:
        """Write a sample sheet."""
        path = self._folder / "sheets" / f"{step:07d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._evaluating():
            write_png(path, self._stage.sheet())

    def validate(self, step: int) -> None:
        """Measure the model on held-out clips, and keep its checkpoint if it is the best so far."""
        if self._stage.validation is None:
            return
        with self._evaluating():
            means = self._stage.validation(self._folder / "validation" / f"{step:07d}")
        self.write_scalars(step, {f"validation/{name}": value for name, value in means.items()})
        score = means.get(BEST_BY)
        if score is not None and (self._best is None or score > self._best[0]):
            self._trainer.check_finite()
            self._checkpoints.save_best(self._trainer.state(step), score)
            self._best = score, step

    def has_stalled(self, step: int) -> bool:
        """Return whether `validation.patience` validations up to a step were no better."""
        validation = self._stage.validation
        if validation is None or not validation.patience or self._best is None:
            return False
        return step - self._best[1] >= validation.patience * validation.every

    @contextmanager
    def scalars(self, start: int, described: Mapping[str, object]) -> Iterator[None]:
        """Keep the TensorBoard file and the configured trackers open inside the context.

        Args:
            described: values that trackers show with the run.
        """
        if rank() > 0:
            yield
            return
        from torch.utils.tensorboard import SummaryWriter

        # Scalars logged after the last checkpoint are logged again; those of step `start` are not.
        purge = start + 1 if start else None
        self._writer = SummaryWriter(str(self._folder / "scalars"), purge_step=purge)
        self._trainer.accelerator.init_trackers(self._run.project, dict(described))
        try:
            yield
        finally:
            self._writer.close()
            for tracker in self._trainer.accelerator.trackers:
                tracker.finish()

    def write_scalars(self, step: int, scalars: dict[str, float]) -> None:
        """Write the scalars of a step to the TensorBoard file and the trackers."""
        if self._writer is not None:
            self._trainer.accelerator.log(scalars, step)
            for name, value in scalars.items():
                self._writer.add_scalar(name, value, step)

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """Use the exported weights inside the context, without dropout and gradients."""
        self._stage.trained.eval()
        with self._trainer.exported_weights(), torch.no_grad():
            yield
        self._stage.trained.train()
