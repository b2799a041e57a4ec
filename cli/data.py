"""`tcan data`: training data from videos, frames and pictures."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.data_check import check, parse_size

if TYPE_CHECKING:
    from tcan_core.training.prepare.prepare import PrepareReport


_SPLIT_BY_NAME = (
    "Videos are chosen for validation by a digest of their names: another --validation-share or "
    "more videos may choose one. Training works without validation clips"
)
app = typer.Typer(help="Make training data from videos and images.", no_args_is_help=True)


class Format(StrEnum):
    """Kind of the written data."""

    SHARDS = "shards"
    FOLDERS = "folders"


class Images(StrEnum):
    """Kind of the images in a folder."""

    FRAMES = "frames"
    PICTURES = "pictures"


@app.command()
def prepare(
    source: Annotated[
        Path,
        typer.Argument(help="Folder of videos and of folders of images, searched recursively."),
    ],
    out: Annotated[str, typer.Option(help="Folder to write; for shards also s3://bucket/prefix.")],
    kind: Annotated[
        Format,
        typer.Option("--format", help="Encoded clips, or folders of images in TikTok's layout."),
    ] = Format.SHARDS,
    images: Annotated[
        Images,
        typer.Option(help="What a folder of images holds: a clip, or pictures of one person."),
    ] = Images.FRAMES,
    fps: Annotated[float, typer.Option(help="Frames per second of folders of frames.")] = 25.0,
    preset: Annotated[
        str,
        typer.Option(help="Preset whose autoencoder is used: a name, or the path of a YAML file."),
    ] = "sd15",
    weights: Annotated[
        Path | None, typer.Option(help="Folder of the preset's parts. Default: its own files.")
    ] = None,
    detector: Annotated[
        str | None, typer.Option(help="Pose detector. Default: the preset's.")
    ] = None,
    size: Annotated[
        list[str] | None,
        typer.Option(
            help="Side of the clips in pixels, or WIDTHxHEIGHT; if given several times, each clip "
            "has the one of the nearest aspect ratio. Default: the preset's."
        ),
    ] = None,
    crops: Annotated[
        int, typer.Option(help="Random crops of each clip in shards, besides its whole images.")
    ] = 3,
    flips: Annotated[bool, typer.Option(help="Mirror every second of these crops.")] = True,
    device: Annotated[str, typer.Option(help="Device for encoding: cpu or cuda.")] = "cpu",
    validation_share: Annotated[
        float, typer.Option(help="Share of the videos used for validation, 0..1.")
    ] = 0.05,
    min_frames: Annotated[int, typer.Option(help="Minimum frames of a clip.")] = 17,
    min_joints: Annotated[
        float, typer.Option(help="Minimum share of detected joints, 0..1.")
    ] = 0.7,
    min_height: Annotated[
        float,
        typer.Option(help="Minimum height of the person, as a share of the image's shorter side."),
    ] = 0.3,
    min_motion: Annotated[
        float, typer.Option(help="Minimum mean speed of the joints, in body heights per second.")
    ] = 0.02,
    max_people: Annotated[int, typer.Option(min=1, help="Maximum people in a frame.")] = 1,
    max_duration: Annotated[float, typer.Option(help="Maximum length of a video, in seconds.")] = 12
    * 3600.0,
) -> None:
    """Cut videos and frames into clips of one person, drop unsuitable ones, and write the rest."""
    from tcan_core.errors import ParameterError
    from tcan_core.training.open_storage import open_storage
    from tcan_core.training.prepare.prepare import prepare_folders, prepare_shards
    from tcan_core.training.prepare.quality import QualitySettings
    from tcan_core.training.prepare.settings import PrepareSettings

    quality = QualitySettings(
        min_frames=min_frames,
        min_joints=min_joints,
        min_height=min_height,
        min_motion=min_motion,
        max_people=max_people,
    )
    settings = PrepareSettings(
        preset=preset,
        weights=weights,
        sizes=tuple(map(parse_size, size or [])),
        images=images.value,
        fps=fps,
        crops=crops,
        flips=flips,
        detector=detector,
        device=device,
        validation_share=validation_share,
        max_duration_s=max_duration,
        quality=quality,
    )
    is_remote = "://" in out
    if kind == Format.SHARDS:
        local = None if is_remote else Path(out)
        report = prepare_shards(source, open_storage(out), settings, _tell, local)
    elif is_remote:
        raise ParameterError(f"out is {out}; folders are written to this machine, shards to S3")
    else:
        report = prepare_folders(source, Path(out), settings, _tell)
    _print_report(report, out)


def _tell(line: str) -> None:
    typer.echo(line, err=True)


def _print_report(report: PrepareReport, out: str) -> None:
    typer.echo(
        f"{out}: {report.kept} clips, {report.kept_frames:,} of {report.frames:,} frames "
        f"of {report.videos} videos and folders"
    )
    splits = report.splits()
    typer.echo("  " + ", ".join(f"{count} for {split}" for split, count in splits.items()))
    for split, count in splits.items():
        if not count:
            typer.echo(f"warning: no clips for {split}. {_SPLIT_BY_NAME}", err=True)
    for kind, count in report.dropped().most_common():
        typer.echo(f"  dropped {count}: {kind}")
    for name, why in report.unreadable.items():
        typer.echo(f"  unreadable: {name}: {why}")


app.command()(check)
