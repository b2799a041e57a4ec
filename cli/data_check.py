"""`tcan data check`: files that training could not read, before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_SHOWN = 50  # problems; a folder of another layout has one per file


def check(
    folder: Annotated[Path, typer.Argument(help="Folder of clips, or of prepared shards.")],
    sheet: Annotated[
        Path, typer.Option(help="Image to write: crops as training draws them, poses over them.")
    ] = Path("check.png"),
    size: Annotated[int, typer.Option(min=32, help="Side of these crops in pixels.")] = 256,
) -> None:
    """Read every image, pose and shard, and name those that are damaged or do not fit."""
    from rich.progress import track

    from tcan_core.training.config import FolderData
    from tcan_core.training.folder_check import crop_sheet, find_problems
    from tcan_core.training.folder_data import find_clips
    from tcan_core.training.shard_data import damaged_shards
    from tcan_core.training.shards import INDEX

    if (folder / INDEX).exists():
        problems = [f"{name}: missing or damaged" for name in damaged_shards(folder)]
        _finish(problems, f"{folder}: the digests of all shards are right")
        return
    clips = find_clips(FolderData(str(folder), size), 1)
    frames = sum(len(clip.images) for clip in clips)
    found = list(track(find_problems(clips), "reading", total=frames, transient=True))
    problems = [f"{one.clip}: {one.reason}" for one in found if one is not None]
    sound = [clip for clip in clips if clip.name not in {one.clip for one in found if one}]
    if sound:
        crop_sheet(sound, FolderData(str(folder), size), sheet)
        typer.echo(f"{sheet}: crops of {len(sound)} clips without errors, with their poses")
    _finish(problems, f"{folder}: {frames:,} images of {len(clips)} clips and their poses are read")


def _finish(problems: list[str], summary: str) -> None:
    """Print the problems and exit with 1 if there are any, else print the summary."""
    for problem in problems[:_SHOWN]:
        typer.echo(problem)
    if not problems:
        typer.echo(summary)
        return
    typer.echo(f"{len(problems)} files cannot be trained on; repair or remove them", err=True)
    raise typer.Exit(1)
