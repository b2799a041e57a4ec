"""`tcan animate`: the main job without the service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress

    from tcan_core.pipelines.animate import AnimateProgress
    from tcan_core.pipelines.animate_files import AnimateReport


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(animate)


def animate(
    image: Annotated[Path, typer.Option(help="Picture of the character.")],
    driving: Annotated[Path, typer.Option(help="Driving video, or a pose file (.json).")],
    out: Annotated[Path, typer.Option(help="The mp4 to write.")],
    preset: Annotated[str, typer.Option(help="Name of a preset, or path of its YAML.")] = "mini",
    seed: Annotated[int | None, typer.Option(min=0, help="Default: a random one, told.")] = None,
    num_inference_steps: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Denoising steps. Default: the preset's.")
    ] = None,
    guidance_scale: Annotated[
        float | None, typer.Option(min=0, help="1 is none. Default: the preset's.")
    ] = None,
    context_size: Annotated[int, typer.Option(help="Frames in a window.")] = 16,
    context_overlap: Annotated[
        int | None, typer.Option(help="Frames that windows share. Default: the preset's.")
    ] = None,
    ptm_tau: Annotated[
        float, typer.Option(min=0, help="Pose-driven temperature: larger is a stiller background.")
    ] = 3.0,
    retarget: Annotated[bool, typer.Option(help="Give the motion the character's limbs.")] = True,
    source_pose: Annotated[
        Path | None, typer.Option(help="Pose file of the image. Default: it is looked for.")
    ] = None,
    audio: Annotated[bool, typer.Option(help="Copy the driving video's sound.")] = False,
    pose_video: Annotated[Path | None, typer.Option(help="Also write the skeletons.")] = None,
    device: Annotated[str, typer.Option(help="Where the model runs: cpu, cuda.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Animate one picture with the motion of a driving video."""
    from tcan_core.models.presets import load_preset
    from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings
    from tcan_core.pipelines.animate_files import prepare, render, with_fresh_seed
    from tcan_core.pipelines.preflight import check_device, check_files

    check_files(driving, [out] if pose_video is None else [out, pose_video], audio=audio)
    check_device(device)
    settings = with_fresh_seed(
        AnimateSettings(
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            context_size=context_size,
            context_overlap=context_overlap,
            ptm_tau=ptm_tau,
            retarget=retarget,
        ),
        seed,
    )
    with _bar() as bar:
        show = _shower(bar)
        prepared = prepare(
            image,
            driving,
            detector=load_preset(preset).detector,
            progress=_counter(bar),
            source_pose_path=source_pose,
            retarget=retarget,
        )
        pipeline = AnimatePipeline.from_preset(preset, device=device)
        report = render(
            pipeline,
            prepared,
            out,
            settings,
            progress=show,
            pose_path=pose_video,
            audio_from=driving if audio else None,
        )
    _tell(report, out, as_json)


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))


def _counter(bar: Progress) -> Callable[[int, int], None]:
    task = bar.add_task("looking for people", total=None)
    return lambda done, expected: bar.update(task, completed=done, total=max(done, expected))


def _shower(bar: Progress) -> Callable[[AnimateProgress], None]:
    task = bar.add_task("preparing", total=1.0)

    def show(now: AnimateProgress) -> None:
        steps = f" step {now.step} of {now.steps}" if now.stage == "denoise" else ""
        bar.update(task, description=f"{now.stage}{steps}", completed=now.fraction)

    return show


def _tell(report: AnimateReport, out: Path, as_json: bool) -> None:
    import json
    from dataclasses import asdict

    if as_json:
        typer.echo(json.dumps(asdict(report)))
        return
    for warning in report.warnings:
        typer.echo(f"warning: {warning}", err=True)
    seconds = sum(report.seconds.values())
    typer.echo(
        f"{out}: {report.frames} frames at {report.fps:g} fps, seed {report.seed}, {seconds:.1f} s"
    )
