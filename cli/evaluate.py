"""`tcan evaluate` measures a preset against ground truth, `tcan compare` compares two reports."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from tcan_core.evaluation.evaluate import Animator, EvaluateOptions
    from tcan_core.evaluation.intervals import PairedDifference
    from tcan_core.evaluation.metrics import Metric
    from tcan_core.evaluation.report import Report


class DrivingChoice(StrEnum):
    """Kind of driving input."""

    POSE = "pose"
    VIDEO = "video"
    BOTH = "both"


def evaluate(
    pairs: Annotated[Path, typer.Option(help="Folder written by `tcan puppets render`.")],
    out: Annotated[Path, typer.Option(help="Report to write (.json); sheets go next to it.")],
    preset: Annotated[str, typer.Option(help="Name of a preset, or path of its YAML.")] = "mini",
    driving: Annotated[
        DrivingChoice, typer.Option(help="True poses, poses detected in the video, or both.")
    ] = DrivingChoice.BOTH,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the first pair; later ones count up.")
    ] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Maximum number of pairs.")] = None,
    num_inference_steps: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Default: the preset's.")
    ] = None,
    guidance_scale: Annotated[float | None, typer.Option(help="Default: the preset's.")] = None,
    context_size: Annotated[int | None, typer.Option(help="Default: the preset's.")] = None,
    context_overlap: Annotated[int | None, typer.Option(help="Default: the preset's.")] = None,
    ptm_tau: Annotated[
        float | None,
        typer.Option(help="Strength of the temperature map. Default: 3; 0 is none."),
    ] = None,
    retarget: Annotated[bool, typer.Option(help="Fit the poses to the source's body.")] = True,
    root_motion: Annotated[
        str, typer.Option(help="Motion in the picture: full, bounded or none.")
    ] = "bounded",
    motion: Annotated[bool, typer.Option(help="Use the motion modules (stage 2).")] = True,
    scheduler: Annotated[str | None, typer.Option(help="Default: the preset's.")] = None,
    cache_interval: Annotated[
        int, typer.Option(min=1, help="Run the whole network only every N steps.")
    ] = 1,
    noise: Annotated[str | None, typer.Option(help="independent, freenoise or tiled.")] = None,
    fusion: Annotated[
        str | None, typer.Option(help="pyramid or flat. Default: the preset's.")
    ] = None,
    drop_joints: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the true poses' joints to drop.")
    ] = 0.0,
    throw_joints: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the joints to move anywhere in the frame.")
    ] = 0.0,
    cleaning: Annotated[
        bool | None,
        typer.Option(help="Clean the true poses. Default: if joints are dropped or moved."),
    ] = None,
    temporal_controlnet: Annotated[
        bool, typer.Option(help="Use motion modules in the ControlNet.")
    ] = True,
    device: Annotated[str, typer.Option(help="Device of the model: cpu or cuda.")] = "cpu",
) -> None:
    """Animate every pair and measure it against the truth; the still source is the baseline."""
    from tcan_core.conditioning.cleaning.settings import CleaningSettings
    from tcan_core.evaluation.animators import PipelineAnimator
    from tcan_core.evaluation.evaluate import DRIVINGS, EvaluateOptions
    from tcan_core.evaluation.pairs import read_pairs
    from tcan_core.evaluation.pose_errors import PoseErrors
    from tcan_core.models.weights.presets import load_preset
    from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings
    from tcan_core.pipelines.animate_files import prepare

    errors = PoseErrors(drop_joints, throw_joints)
    cleaned = bool(errors) if cleaning is None else cleaning
    read_pairs(pairs, limit)  # fail early, before a model is loaded
    more, loaded = _lpips(device), load_preset(preset)
    given = AnimateSettings(context_size=context_size, ptm_tau=ptm_tau, fusion=fusion)  # type: ignore[arg-type]
    sampling = given.sampling(loaded)
    settings = {
        "num_inference_steps": num_inference_steps,
        "guidance_scale": guidance_scale,
        "context_size": sampling.context_size,
        "context_overlap": context_overlap,
        "ptm_tau": given.temperature(loaded),
        "retarget": retarget,
        "root_motion": root_motion,
        "scheduler": scheduler,
        "cache_interval": cache_interval,
        "noise": noise,
        "fusion": sampling.fusion,
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
        more=more,
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
    _print_means(_evaluate_with_bar(pairs, animate, out, options))
    typer.echo(f"{out}")


def compare(
    base: Annotated[Path, typer.Argument(help="Report to compare with.")],
    other: Annotated[Path, typer.Argument(help="Report to compare; may be the same.")],
    condition: Annotated[str, typer.Option(help="Condition of the other report.")] = "pose",
    base_condition: Annotated[
        str | None,
        typer.Option(
            help="Condition of the base: pose, video or repeat_source. Default: the same."
        ),
    ] = None,
    min_proportion_gap: Annotated[
        float, typer.Option(help="Skip clips whose two bodies differ less than this.")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare two reports clip by clip, with 95 % bootstrap intervals."""
    from tcan_core.evaluation.report import compare_conditions, read_report

    changes = compare_conditions(
        read_report(base),
        read_report(other),
        base_condition or condition,
        condition,
        min_proportion_gap,
    )
    if as_json:
        content = {metric: asdict(change) for metric, change in changes.items()}
        typer.echo(json.dumps(content, indent=2))
    else:
        _print_changes(changes)


def _lpips(device: str) -> dict[str, Metric]:
    """Return LPIPS if its package and weights are installed; else print why not."""
    from tcan_core.errors import ConfigError, WeightsError
    from tcan_core.evaluation.perceptual import Lpips

    try:
        return {"lpips": Lpips(device)}
    except (ConfigError, WeightsError) as error:
        typer.echo(f"skipped LPIPS: {error}", err=True)
        return {}


def _evaluate_with_bar(
    pairs: Path, animate: Animator, out: Path, options: EvaluateOptions
) -> Report:
    from tcan_core.evaluation.evaluate import EvaluateProgress, evaluate_pairs

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn()) as bar:
        task = bar.add_task("animating", total=None)

        def show(event: EvaluateProgress) -> None:
            psnr = event.clip.results.get(event.driving, {}).get("moving_region_psnr")
            summary = event.clip.errors.get(event.driving) or (f"{psnr:.1f} dB" if psnr else "")
            bar.update(
                task,
                completed=event.done,
                total=event.total,
                description=f"{event.clip.name} by {event.driving} {summary}",
            )

        return evaluate_pairs(pairs, animate, out, options, show)


def _print_means(report: Report) -> None:
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


def _print_changes(changes: dict[str, PairedDifference]) -> None:
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
