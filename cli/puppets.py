"""`tcan puppets`: characters with a known truth."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Proportions(StrEnum):
    """How the two characters of a pair differ."""

    ANY = "any"
    CROSSED = "crossed"


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    puppets = typer.Typer(
        help="Render pairs of procedural characters with a known truth.", no_args_is_help=True
    )
    puppets.command()(render)
    puppets.callback()(_puppets)
    app.add_typer(puppets, name="puppets")


def _puppets() -> None:
    """Render pairs of procedural characters with a known truth."""


def render(
    seed: Annotated[
        int, typer.Option(min=0, help="Of the first pair; from 1000000 up for evaluation.")
    ],
    out: Annotated[Path, typer.Option(help="Folder that receives 0000/, 0001/, ...")],
    count: Annotated[int, typer.Option(min=1, help="Pairs.")] = 1,
    frames: Annotated[int, typer.Option(min=1, help="Frames of each, at 12 fps.")] = 24,
    size: Annotated[int, typer.Option(help="Side of the pictures in pixels.")] = 64,
    proportions: Annotated[
        Proportions, typer.Option(help="crossed: a tall and a chibi character in each pair.")
    ] = Proportions.ANY,
) -> None:
    """Write pairs: source picture, driving video, and the source doing that motion."""
    from rich.progress import track

    from tcan_core.puppets.pairs import render_pair

    for index in track(range(count), description="drawing", transient=True):
        render_pair(out / f"{index:04d}", seed + index, frames, size, proportions.value)
    typer.echo(f"{out}: {count} pairs of {frames} frames, seeds {seed} to {seed + count - 1}")
