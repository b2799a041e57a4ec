"""`tcan data check`: files that training could not read, before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_MIN_SIDE = 32
_SHOWN = 50  # problems; a folder of another layout has one per file


def check(
    folder: Annotated[Path, typer.Argument(help="Folder of clips, or of prepared shards.")],
    sheet: Annotated[
        Path, typer.Option(help="Image to write: crops as training draws them, poses over them.")
    ] = Path("check.png"),
    size: Annotated[
        list[str] | None,
        typer.Option(help="Side of these crops in pixels, or WIDTHxHEIGHT, once or several times."),
    ] = None,
    flip_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of these crops that are mirrored.")
    ] = 0.0,
    preset: Annotated[
        str | None, typer.Option(help="Preset whose autoencoder decodes shards for the sheet.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Folder of the preset's parts. Default: its own files.")
    ] = None,
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
        if preset and not problems:
            _draw_shards(folder, preset, weights, sheet)
        elif not preset:
            typer.echo("--preset, with the name of their preset, writes a sheet of their crops")
        _finish(problems, f"{folder}: the digests of all shards are right")
        return
    sizes = [parse_size(one) for one in size or ["256"]]
    given = tuple((width, height) for height, width in sizes)
    data = FolderData(str(folder), sizes=given, flip_share=flip_share)
    clips = find_clips(data, 1)
    frames = sum(len(clip.images) for clip in clips)
    found = list(track(find_problems(clips), "reading", total=frames, transient=True))
    problems = [f"{one.clip}: {one.reason}" for one in found if one is not None]
    sound = [clip for clip in clips if clip.name not in {one.clip for one in found if one}]
    if sound:
        crop_sheet(sound, data, sheet)
        typer.echo(f"{sheet}: crops of {len(sound)} clips without errors, with their poses")
    _finish(problems, f"{folder}: {frames:,} images of {len(clips)} clips and their poses are read")


def parse_size(text: str) -> tuple[int, int]:
    """Return (height, width) of "SIDE" or "WIDTHxHEIGHT".

    Raises:
        ParameterError: it is neither, or a side is too small.
    """
    from media.errors import ParameterError

    sides = text.lower().split("x")
    if len(sides) > 2 or not all(one.isdecimal() and int(one) >= _MIN_SIDE for one in sides):
        raise ParameterError(
            f"size is {text!r}; write a side such as 512, or WIDTHxHEIGHT such as 384x640, of at "
            f"least {_MIN_SIDE} pixels"
        )
    return int(sides[-1]), int(sides[0])


def _draw_shards(folder: Path, preset_name: str, weights: Path | None, sheet: Path) -> None:
    """Write the sheet of shards."""
    from tcan_core.models.weights.loading import load_codec
    from tcan_core.models.weights.presets import load_preset
    from tcan_core.training.config import ShardData
    from tcan_core.training.shard_check import shard_sheet
    from tcan_core.training.shard_data import ShardClips

    preset = load_preset(preset_name)
    clips = ShardClips(ShardData(str(folder)), 1, preset, weights)
    shard_sheet(clips, load_codec(preset, weights), sheet)
    typer.echo(f"{sheet}: decoded views of training clips, with their poses")


def _finish(problems: list[str], summary: str) -> None:
    """Print the problems and exit with 1 if there are any, else print the summary."""
    for problem in problems[:_SHOWN]:
        typer.echo(problem)
    if not problems:
        typer.echo(summary)
        return
    typer.echo(f"{len(problems)} files cannot be trained on; repair or remove them", err=True)
    raise typer.Exit(1)
