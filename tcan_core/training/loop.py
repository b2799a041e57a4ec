"""The training loop of every stage.

A stage defines the trained modules, the samples and the loss. A sample depends only on the seed,
the step and its index in the global batch, so a resumed run repeats an uninterrupted one exactly,
with any number of processes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import torch

from tcan_core.errors import CanceledError, ConfigError, NotFiniteError, TcanError
from tcan_core.training.config import OptimizerConfig, RunConfig
from tcan_core.training.disk_space import named_full_disk
from tcan_core.training.distributed import all_gather, barrier, rank
from tcan_core.training.graceful_stop import stop_on_sigterm
from tcan_core.training.loaders import open_batches
from tcan_core.training.run_artifacts import RunArtifacts
from tcan_core.training.stage import Stage
from tcan_core.training.trainer import Trainer

_ADVICE = (
    "A resumed run draws the same samples: repair them, lower `optimizer.learning_rate`, or set "
    "`optimizer.max_skipped_steps`"
)
_OTHER_ADVICE = "Continue with --resume"
Report = Callable[[int, dict[str, float]], None]


def train(
    stage: Stage,
    run: RunConfig,
    optimizer_config: OptimizerConfig,
    resume: bool,
    report: Report,
    saved: Callable[[], None] = lambda: None,
    started: Callable[[], None] = lambda: None,
    described: Mapping[str, object] = MappingProxyType({}),
) -> int:
    """Train until `run.steps`, or until validation has stalled.

    Checkpoints, scalars and sample sheets go to `run.output`, trained parts to `run.export`.

    Args:
        resume: continue from the last checkpoint, if there is one.
        report: called with the step and its scalars, in the first process.
        saved: called after each checkpoint, in the first process.
        started: called once when nothing refuses the start any more, in the first process.
        described: values that trackers show with the run.

    Returns:
        The last step.

    Raises:
        ConfigError: a checkpoint exists but `resume` is false, a checkpoint is missing on some
            machine, or the configuration is not supported.
        WeightsError: the checkpoint is damaged or belongs to another run.
        StorageError: a disk is full, or has no space for the checkpoints of this run.
        TcanError: the data cannot be read, or a loader died; the last step is in the checkpoint.
        NotFiniteError: the loss, a gradient or a weight is not finite; the last finite state is
            in the checkpoint and in the exported parts.
        CanceledError: SIGTERM was received; a checkpoint was written.
    """
    if run.threads:
        torch.set_num_threads(run.threads)
    trainer = Trainer(stage, run, optimizer_config)
    artifacts = RunArtifacts(stage, trainer, run, saved)
    start = _check_start(artifacts.start(resume), run.output)
    is_first = rank() == 0
    if is_first:
        started()
    disks = named_full_disk(Path(run.output), Path(run.export))
    feed = open_batches(trainer.step_drawing(), start, run.loaders)
    scalar_files = artifacts.scalars(start, described)
    with disks, scalar_files, feed as batches, stop_on_sigterm() as is_stopping:
        last_saved, done = time.monotonic(), start
        while done < run.steps and not _has_stalled(stage, artifacts, done):
            step = done
            # One optimiser step over all processes.
            try:
                scalars, stop = trainer.step(step, batches.next(), is_stopping())
            except TcanError as error:  # in every process
                if is_first:
                    artifacts.keep(step)
                barrier()
                advice = _ADVICE if isinstance(error, NotFiniteError) else _OTHER_ADVICE
                raise type(error)(f"{error}. {artifacts.kept}. {advice}") from error
            done = step + 1

            # Report progress.
            if is_first and done % run.log_every == 0:
                scalars |= {"waiting": batches.waiting()}
                report(done, scalars)
                artifacts.write_scalars(done, scalars)
            if is_first and done % run.sheet_every == 0:
                artifacts.write_sheet(done)
            if is_first and stage.validation and done % stage.validation.every == 0:
                artifacts.validate(done)

            # Write a checkpoint.
            if is_first and (stop or time.monotonic() - last_saved > run.checkpoint_every_s):
                artifacts.save(done)
                last_saved = time.monotonic()
            if stop:
                barrier()
                raise CanceledError(f"stopped by SIGTERM at step {done}; continue with --resume")
        if is_first:
            artifacts.write_sheet(done)
            artifacts.save(done)
    barrier()
    return done


def _has_stalled(stage: Stage, artifacts: RunArtifacts, done: int) -> bool:
    """Return whether the run ends after a validation; the same in every process."""
    validation = stage.validation
    if not validation or not validation.patience or done % validation.every:
        return False
    return all_gather(artifacts.has_stalled(done))[0]


def _check_start(start: int, output: str) -> int:
    """Return the first step of this process, which must be the same in all processes.

    Raises:
        ConfigError: the steps differ; only rank 0 writes checkpoints, on its own machine.
    """
    starts = all_gather(start)
    if len(set(starts)) > 1:
        steps = ", ".join(f"rank {process}: step {step}" for process, step in enumerate(starts))
        raise ConfigError(
            f"the processes would start at different steps ({steps}): the last checkpoint in "
            f"{output} is not on every machine; set `run.remote` or use a shared disk"
        )
    return start
