"""`tcan data`: training data from folders of videos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.data_check import check

if TYPE_CHECKING:
    from tcan_core.training.prepare.prepare import PrepareReport


_SPLIT_BY_NAME = (
    "Videos are chosen for validation by a digest of their names: another --validation-share or "
    "more videos may choose one. Training works without validation clips"
)
app = typer.Typer(help="Make training data from videos.", no_args_is_help=True)


@app.command()
def prepare(
    videos: Annotated[Path, typer.Argument(help="Folder of videos, searched recursively.")],
    out: Annotated[str, typer.Option(help="Folder for the shards, or s3://bucket/prefix.")],
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
        int | None, typer.Option(min=32, help="Side of the clips in pixels. Default: the preset's.")
    ] = None,
    crops: Annotated[
        int, typer.Option(help="Random crops of each clip, besides its whole images.")
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
    """Cut videos into clips of one person, drop unsuitable ones and encode the rest into shards."""
    from tcan_core.training.open_storage import open_storage
    from tcan_core.training.prepare.prepare import prepare_videos
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
        size=size,
        crops=crops,
        flips=flips,
        detector=detector,
        device=device,
        validation_share=validation_share,
        max_duration_s=max_duration,
        quality=quality,
    )
    _print_report(prepare_videos(videos, open_storage(out), settings, _print_progress), out)


def _print_progress(done: int, total: int, name: str) -> None:
    typer.echo(f"{done + 1} of {total}: {name}", err=True)


def _print_report(report: PrepareReport, out: str) -> None:
    typer.echo(
        f"{out}: {report.kept} clips, {report.kept_frames:,} of {report.frames:,} frames "
        f"of {report.videos} videos"
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
