"""`tcan train`: a front of `python -m tcan_core.training`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from tcan_core.training.command import (
    CHECK_CONFIG_HELP,
    CHECK_HELP,
    CHECKPOINT_HELP,
    CONFIG_HELP,
    EXPORT_SUMMARY,
    OVERRIDE_HELP,
    RESUME_HELP,
    RUN_HELP,
    STAGES,
    export_command,
    run_command,
)


def _command(stage: str) -> Callable[..., None]:
    def run(
        config: Annotated[str, typer.Option(help=CONFIG_HELP)],
        override: Annotated[list[str] | None, typer.Option(help=OVERRIDE_HELP)] = None,
        resume: Annotated[bool, typer.Option(help=RESUME_HELP)] = False,
        check: Annotated[bool, typer.Option("--check", help=CHECK_HELP)] = False,
        check_config: Annotated[
            bool, typer.Option("--check-config", help=CHECK_CONFIG_HELP)
        ] = False,
    ) -> None:
        run_command(
            stage,
            config,
            override or [],
            resume=resume,
            check=check,
            check_config=check_config,
        )

    return run


app = typer.Typer(help="Train the parts of a preset.", no_args_is_help=True)
for name, summary in STAGES.items():
    app.command(name, help=summary)(_command(name))


@app.command(help=EXPORT_SUMMARY)
def export(
    run: Annotated[str, typer.Argument(help=RUN_HELP)],
    checkpoint: Annotated[str, typer.Option(help=CHECKPOINT_HELP)] = "last",
) -> None:
    """Write the trained parts of a run's checkpoint."""
    export_command(run, checkpoint)
