"""`tcan evaluate` measures a preset on pairs with a known truth, `tcan compare` two such runs."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tcan_core.evaluation.evaluate import Animator, EvaluateOptions
    from tcan_core.evaluation.intervals import PairedDifference
    from tcan_core.evaluation.metrics import Metric
    from tcan_core.evaluation.report import Report


class DrivingChoice(StrEnum):
    """What drives the characters."""

    POSE = "pose"
    VIDEO = "video"
    BOTH = "both"


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command()(evaluate)
    app.command()(compare)


def evaluate(
    pairs: Annotated[Path, typer.Option(help="Folder that `tcan puppets render` wrote.")],
    out: Annotated[Path, typer.Option(help="The report, JSON; sheets go beside it.")],
    preset: Annotated[str, typer.Option(help="Name of a preset, or path of its YAML.")] = "mini",
    driving: Annotated[
        DrivingChoice, typer.Option(help="True poses, what is detected in the video, or both.")
    ] = DrivingChoice.BOTH,
    seed: Annotated[int, typer.Option(min=0, help="Of the first pair; the next has the next.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many pairs.")] = None,
    num_inference_steps: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Default: the preset's.")
    ] = None,
    guidance_scale: Annotated[float | None, typer.Option(help="Default: the preset's.")] = None,
    context_size: Annotated[int, typer.Option(help="Frames in a window.")] = 16,
    context_overlap: Annotated[int | None, typer.Option(help="Default: the preset's.")] = None,
    ptm_tau: Annotated[float, typer.Option(help="Strength of the temperature map; 0: none.")] = 3.0,
    retarget: Annotated[bool, typer.Option(help="Fit the poses to the source's body.")] = True,
    motion: Annotated[bool, typer.Option(help="With motion modules (stage 2), or not.")] = True,
    scheduler: Annotated[str | None, typer.Option(help="Default: the preset's.")] = None,
    cache_interval: Annotated[
        int, typer.Option(min=1, help="Run the whole network every N steps only.")
    ] = 1,
    noise: Annotated[str | None, typer.Option(help="independent or freenoise.")] = None,
    fusion: Annotated[str, typer.Option(help="Of overlapping windows: pyramid, flat.")] = "pyramid",
    drop_joints: Annotated[
        float, typer.Option(min=0, max=1, help="Part of the true poses' joints to leave out.")
    ] = 0.0,
    throw_joints: Annotated[
        float, typer.Option(min=0, max=1, help="Part of them to throw anywhere in the frame.")
    ] = 0.0,
    cleaning: Annotated[
        bool | None, typer.Option(help="Clean the true poses. Default: where joints are wrong.")
    ] = None,
    temporal_controlnet: Annotated[
        bool, typer.Option(help="With motion modules in the ControlNet, or not.")
    ] = True,
    device: Annotated[str, typer.Option(help="Where the model runs: cpu, cuda.")] = "cpu",
) -> None:
    """Animate every pair and measure it against the truth, beside the source that stands still."""
    from tcan_core.conditioning.cleaning import CleaningSettings
    from tcan_core.evaluation.animators import PipelineAnimator
    from tcan_core.evaluation.evaluate import DRIVINGS, EvaluateOptions
    from tcan_core.evaluation.pairs import read_pairs
    from tcan_core.evaluation.pose_errors import PoseErrors
    from tcan_core.pipelines.animate import AnimatePipeline
    from tcan_core.pipelines.animate_files import prepare

    errors = PoseErrors(drop_joints, throw_joints)
    cleaned = bool(errors) if cleaning is None else cleaning
    read_pairs(pairs, limit)  # tells what is wrong with them before a model is loaded
    settings = {
        "num_inference_steps": num_inference_steps,
        "guidance_scale": guidance_scale,
        "context_size": context_size,
        "context_overlap": context_overlap,
        "ptm_tau": ptm_tau,
        "retarget": retarget,
        "scheduler": scheduler,
        "cache_interval": cache_interval,
        "noise": noise,
        "fusion": fusion,
    }
    options = EvaluateOptions(
        drivings=tuple(one for one in DRIVINGS if driving in (one, DrivingChoice.BOTH)),
        seed=seed,
        limit=limit,
        about={
            "preset": preset,
            "motion": motion,
            "temporal_controlnet": temporal_controlnet,
            "drop_joints": drop_joints,
            "throw_joints": throw_joints,
            "cleaning": cleaned,
            "device": device,
        }
        | settings,
        more=_lpips(device),
    )
    pipeline = AnimatePipeline.from_preset(
        preset, device=device, motion=motion, temporal_controlnet=temporal_controlnet
    )
    animate = PipelineAnimator(
        pipeline,
        partial(prepare, detector=pipeline.preset.detector),
        settings,
        errors,
        CleaningSettings() if cleaned else None,
    )
    _show_means(_evaluate_with_bar(pairs, animate, out, options))
    typer.echo(f"{out}")


def compare(
    base: Annotated[Path, typer.Argument(help="Report to compare with.")],
    other: Annotated[Path, typer.Argument(help="Report in question; may be the same.")],
    condition: Annotated[str, typer.Option(help="Of the report in question.")] = "pose",
    base_condition: Annotated[
        str | None, typer.Option(help="Of the base: pose, video, repeat_source; default: the same.")
    ] = None,
    min_proportion_gap: Annotated[
        float, typer.Option(help="Leave out clips whose two bodies are more alike than this.")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what changes from one run to another, clip by clip, with 95 % bootstrap intervals."""
    from tcan_core.evaluation.report import compare_conditions, read_report

    changes = compare_conditions(
        read_report(base),
        read_report(other),
        base_condition or condition,
        condition,
        min_proportion_gap,
    )
    if as_json:
        _print_json(changes)
    else:
        _show_changes(changes)


def _lpips(device: str) -> dict[str, Metric]:
    """LPIPS, where its package and weights are at hand; else a line says why not."""
    from tcan_core.errors import ConfigError, WeightsError
    from tcan_core.evaluation.perceptual import Lpips

    try:
        return {"lpips": Lpips(device)}
    except (ConfigError, WeightsError) as error:
        typer.echo(f"no LPIPS: {error}", err=True)
        return {}


def _evaluate_with_bar(
    pairs: Path, animate: Animator, out: Path, options: EvaluateOptions
) -> Report:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from tcan_core.evaluation.evaluate import EvaluateProgress, evaluate_pairs

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn()) as bar:
        task = bar.add_task("animating", total=None)

        def show(event: EvaluateProgress) -> None:
            psnr = event.clip.results.get(event.driving, {}).get("moving_region_psnr")
            told = event.clip.errors.get(event.driving) or (f"{psnr:.1f} dB" if psnr else "")
            bar.update(
                task,
                completed=event.done,
                total=event.total,
                description=f"{event.clip.name} by {event.driving} {told}",
            )

        return evaluate_pairs(pairs, animate, out, options, show)


def _show_means(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table

    conditions = report.conditions()
    table = Table("mean over clips", *conditions)
    for metric in report.metrics():
        means = [report.interval(condition, metric) for condition in conditions]
        table.add_row(metric, *(f"{mean.mean:.3f}" if mean else "-" for mean in means))
    console = Console()
    console.print(table)
    for clip in report.clips:
        for condition, error in clip.errors.items():
            console.print(f"{clip.name} by {condition}: {error}")


def _show_changes(changes: dict[str, PairedDifference]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("", "clips", "base", "other", "difference", "95 % interval", "relative")
    for metric, change in changes.items():
        difference = change.difference
        table.add_row(
            metric,
            str(change.clips),
            f"{change.base:.3f}",
            f"{change.other:.3f}",
            f"{difference.mean:+.3f}",
            f"{difference.low:+.3f} .. {difference.high:+.3f}",
            f"{change.relative.mean:+.1%}" if change.relative else "-",
        )
    Console().print(table)


def _print_json(changes: dict[str, PairedDifference]) -> None:
    import json
    from dataclasses import asdict

    typer.echo(json.dumps({metric: asdict(change) for metric, change in changes.items()}, indent=2))
