"""The training command, shared by `python -m tcan_core.training` and `tcan train`.

Nothing heavy is imported before a stage runs, so that help texts come at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

STAGES = {
    "autoencoder": "Train the image codec of a small preset.",
    "pose-detector": "Train the puppets' pose detector.",
    "prior": "Train a small preset's base UNet and pose ControlNet.",
    "stage1": "Stage 1, appearance: reference UNet and LoRA.",
    "stage2": "Stage 2, motion: motion modules of UNet and ControlNet.",
}
CONFIG_HELP = "Path of a YAML file, or name of a shipped one, such as sd15/stage1."
OVERRIDE_HELP = "KEY=VALUE in place of the file's value, such as run.steps=100; may be repeated."
RESUME_HELP = "Resume from the last checkpoint, if there is one."
EXPORT_SUMMARY = "Write the trained parts of a run's checkpoint to its `export`, without its data."
RUN_HELP = "Folder of the run: the `output` of its configuration."
CHECKPOINT_HELP = "best (by validation), last, or a step."
CHECK_HELP = (
    "Do not train: open data and weights, take ten steps, print what the run needs; exit with 2 "
    "when something is wrong."
)
CHECK_CONFIG_HELP = "Only check the configuration, without data and weights; exit with 2 as well."


def run_command(
    stage: str,
    config: str,
    overrides: Sequence[str] = (),
    *,
    resume: bool,
    check: bool,
    check_config: bool,
) -> None:
    """Check a run or its configuration, or train. Raises as `stages.run_stage`."""
    from tcan_core.training.distributed import rank
    from tcan_core.training.stages import read_stage_config, run_stage

    if check_config:
        read_stage_config(stage, config, overrides)
        return
    if check:
        from tcan_core.training.check import check_stage

        check_stage(stage, config, resume, overrides, print)
        return
    with _progress_report() as report:
        run, done = run_stage(stage, config, resume, report, overrides)
    if rank() == 0:
        preset = f" with preset.yaml ({run.export_preset})" if run.export_preset else ""
        stalled = f" (no better validation: {run.output}/best.pt is better)" * (done < run.steps)
        print(
            f"step {done} of {run.steps} is done{stalled}; trained parts{preset}: {run.export}; "
            f"checkpoints, scalars and sheets: {run.output}"
            + (f"; copy of both: {run.remote}" if run.remote else "")
        )


def export_command(run: str, checkpoint: str) -> None:
    """Write the parts of a checkpoint and print where. Raises as `run_export.export_run`."""
    from tcan_core.training.run_export import export_run

    step, folder = export_run(Path(run), checkpoint)
    print(f"trained parts of step {step} are in {folder}")


@contextmanager
def _progress_report() -> Iterator[Callable[[int, int, dict[str, float]], None]]:
    """Yield a report function: a moving bar on a terminal, one line per report elsewhere."""
    from rich import progress

    last: tuple[int, float] | None = None

    def report(step: int, steps: int, scalars: dict[str, float]) -> None:
        nonlocal last
        now_s = time.monotonic()
        rate = f"{(step - last[0]) / (now_s - last[1]):.2f} steps/s " if last else ""
        last = (step, now_s)
        summary = rate + " ".join(f"{name} {value:.4g}" for name, value in scalars.items())
        bar.update(task, completed=step, total=steps, description=summary)
        if not bar.console.is_terminal:
            print(f"step {step} of {steps} {summary}", flush=True)

    with progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
    ) as bar:
        task = bar.add_task("drawing data", total=None)
        yield report
