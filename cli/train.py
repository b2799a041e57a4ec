"""`tcan train`: every training stage, one YAML each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.storage import open_place

if TYPE_CHECKING:
    from rich.progress import Progress

STAGES = {
    "autoencoder": "Train the image codec of a small preset.",
    "pose-detector": "Train the puppets' pose detector.",
    "prior": "Train a small preset's base UNet and pose ControlNet.",
    "stage1": "Stage 1, appearance: reference UNet and LoRA.",
    "stage2": "Stage 2, motion: motion modules of UNet and ControlNet.",
}


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    train = typer.Typer(help="Train the parts of a preset.", no_args_is_help=True)
    for stage, summary in STAGES.items():
        train.command(stage, help=summary)(_command(stage))
    app.add_typer(train, name="train")


def _command(stage: str) -> Callable[..., None]:
    def run(
        config: Annotated[
            str, typer.Option(help="Path of a YAML, or name of a shipped one: sd15/stage1.")
        ],
        resume: Annotated[
            bool, typer.Option(help="Go on from the last checkpoint, if any.")
        ] = False,
        check: Annotated[
            bool, typer.Option("--check", help="Only read the configuration; 2 when it is wrong.")
        ] = False,
    ) -> None:
        from tcan_core.training.stages import read_stage_config, run_stage

        if check:
            read_stage_config(stage, config)
            return
        with _bar() as bar:
            run_stage(stage, config, resume, _shower(bar), open_place)

    return run


def _bar() -> Progress:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )


def _shower(bar: Progress) -> Callable[[int, int, dict[str, float]], Any]:
    """Return a report function: on a terminal the bar moves, elsewhere each report is a line."""
    import time

    task = bar.add_task("drawing data", total=None)
    last: tuple[int, float] | None = None

    def show(step: int, steps: int, scalars: dict[str, float]) -> None:
        nonlocal last
        now = time.monotonic()
        rate = f"{(step - last[0]) / (now - last[1]):.2f} steps/s " if last else ""
        last = (step, now)
        told = rate + " ".join(f"{name} {value:.4g}" for name, value in scalars.items())
        bar.update(task, completed=step, total=steps, description=told)
        if not bar.console.is_terminal:
            typer.echo(f"step {step} of {steps} {told}")

    return show
