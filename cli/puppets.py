"""`tcan puppets`: procedural characters with known ground truth."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Proportions(StrEnum):
    """Difference between the two characters of a pair."""

    ANY = "any"
    CROSSED = "crossed"


app = typer.Typer(
    help="Render pairs of procedural characters with known ground truth.", no_args_is_help=True
)


@app.callback()
def _puppets() -> None:
    """Render pairs of procedural characters with known ground truth."""


@app.command()
def render(
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the first pair; at least 1000000 for evaluation.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the pairs 0000/, 0001/, ...")],
    count: Annotated[int, typer.Option(min=1, help="Number of pairs.")] = 1,
    frames: Annotated[int, typer.Option(min=1, help="Frames per video, at 12 fps.")] = 24,
    size: Annotated[int, typer.Option(help="Width and height in pixels.")] = 64,
    proportions: Annotated[
        Proportions, typer.Option(help="crossed pairs a tall character with a chibi one.")
    ] = Proportions.ANY,
) -> None:
    """Write pairs: source image, driving video, and the source with that motion as truth."""
    from rich.progress import track

    from tcan_core.puppets.pairs import render_pair

    for index in track(range(count), description="drawing", transient=True):
        render_pair(out / f"{index:04d}", seed + index, frames, size, proportions.value)
    typer.echo(f"{out}: {count} pairs of {frames} frames, seeds {seed} to {seed + count - 1}")
