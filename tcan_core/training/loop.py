"""The training loop of every stage.

A stage says what is trained, what a sample is and what the loss is. Samples depend on the seed, the
step and their place in the global batch alone, so that a resumed run continues exactly where the
killed one would have gone on, whatever the number of processes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from tcan_core.errors import CanceledError, ConfigError
from tcan_core.training.config import OptimizerConfig, RunConfig
from tcan_core.training.distributed import gathered, rank, wait_for_all
from tcan_core.training.graceful_stop import asked_to_leave
from tcan_core.training.run_artifacts import Outputs
from tcan_core.training.stage import Stage
from tcan_core.training.trainer import Trainer

Report = Callable[[int, dict[str, float]], None]


def train(
    stage: Stage,
    run: RunConfig,
    optimizer_config: OptimizerConfig,
    resume: bool,
    report: Report,
    saved: Callable[[], None] = lambda: None,
) -> None:
    """Train to `run.steps`; checkpoints, scalars, sheets in `run.output`, parts in `run.export`.

    Args:
        report: called with the step and its scalars, in the first process.
        saved: called after each checkpoint, in the first process.

    Raises:
        ConfigError: a checkpoint is in the way or not on every machine, or the configuration
            cannot be followed.
        WeightsError: the checkpoint is damaged or of another run.
        CanceledError: SIGTERM came; a checkpoint was kept.
    """
    if run.threads:
        torch.set_num_threads(run.threads)
    trainer = Trainer(stage, run, optimizer_config)
    outputs = Outputs(stage, trainer, run, saved)
    start = _agreed(outputs.start(resume), run.output)
    leads = rank() == 0
    with outputs.scalars(start), asked_to_leave() as asked:
        last_saved = time.monotonic()
        for step in range(start, run.steps):
            # One optimiser step of all processes together.
            scalars, leave = trainer.step(step, asked())
            done = step + 1

            # Say how it goes.
            if leads and done % run.log_every == 0:
                report(done, scalars)
                outputs.write_scalars(done, scalars)
            if leads and done % run.sheet_every == 0:
                outputs.write_sheet(done)
            if leads and stage.validation and done % stage.validation.every == 0:
                outputs.validate(done)

            # Keep what was learned.
            if leads and (leave or time.monotonic() - last_saved > run.checkpoint_every_s):
                outputs.save(done)
                last_saved = time.monotonic()
            if leave:
                wait_for_all()
                raise CanceledError(f"asked to leave at step {done}; --resume goes on from there")
        if leads:
            outputs.finish(run.steps)
    wait_for_all()


def _agreed(start: int, output: str) -> int:
    """Return the step from which this process begins, where all begin from the same.

    Raises:
        ConfigError: they do not; the first process alone writes checkpoints, on its own machine.
    """
    starts = gathered(start)
    if len(set(starts)) > 1:
        told = ", ".join(f"{process}: {step}" for process, step in enumerate(starts))
        raise ConfigError(
            f"the processes would begin at different steps ({told}): not every machine has the "
            f"last checkpoint in {output}. `run.remote` or a shared disk brings it to all of them"
        )
    return start
