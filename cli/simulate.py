"""`tcan simulate`: what a deployment would do under a load, and what it would cost."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.simulation.scenario import Scenario, draw_arrivals, load
from service.errors import SettingsError

USUAL = Scenario()


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(simulate)


def _option(says: str, least: float = 0.0) -> Any:
    return typer.Option(help=says, min=least)


def simulate(
    seed: Annotated[int, _option("Of arrivals and preemptions.")] = USUAL.seed,
    hours: Annotated[float, _option("For how long jobs come.")] = USUAL.hours,
    jobs_per_hour: Annotated[float, _option("On average.")] = USUAL.jobs_per_hour,
    frames: Annotated[
        str, typer.Option(help="Lengths of drivers and their weights.")
    ] = "75:5,150:3,450:1",
    steps: Annotated[int, _option("Denoising steps.", 1)] = USUAL.steps,
    callers: Annotated[str, typer.Option(help="Callers and their shares of the jobs.")] = "a:1",
    priorities: Annotated[
        str, typer.Option(help="Classes (high, normal, low) and their shares of the jobs.")
    ] = "normal:1",
    gpus: Annotated[int, _option("At least.", 1)] = USUAL.gpus,
    max_gpus: Annotated[int | None, typer.Option(help="At most. Default: --gpus.")] = None,
    preparers: Annotated[int, _option("Workers that prepare; 0: the GPUs' do.")] = USUAL.preparers,
    context_size: Annotated[int, _option("Frames of a window.", 1)] = USUAL.context_size,
    context_overlap: Annotated[int, _option("Frames two windows share.")] = USUAL.context_overlap,
    frame_step_s: Annotated[
        float, _option("A frame of a window in one step.")
    ] = USUAL.frame_step_s,
    render_frame_s: Annotated[float, _option("A frame besides.")] = USUAL.render_frame_s,
    render_s: Annotated[float, _option("A render besides.")] = USUAL.render_s,
    prepare_frame_s: Annotated[float, _option("A frame to prepare.")] = USUAL.prepare_frame_s,
    prepare_s: Annotated[float, _option("Preparing besides.")] = USUAL.prepare_s,
    turnaround_s: Annotated[float, _option("Between two jobs of a worker.")] = USUAL.turnaround_s,
    preemptions_per_gpu_hour: Annotated[float, _option("Nodes that are taken away.")] = 0.0,
    resume_s: Annotated[float, _option("Until a lost job goes on.")] = USUAL.resume_s,
    start_s: Annotated[float, _option("Until a new GPU takes jobs.")] = USUAL.start_s,
    calm_s: Annotated[float, _option("Until GPUs that are not needed go.")] = USUAL.calm_s,
    shrink_s: Annotated[float, _option("Between two that go.")] = USUAL.shrink_s,
    price_per_gpu_hour: Annotated[float, _option("In any currency.")] = USUAL.price_per_gpu_hour,
    fps: Annotated[float, _option("Of the drivers.")] = USUAL.fps,
    plot: Annotated[Path | None, typer.Option(help="Write two diagrams to this PNG.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Simulate a deployment under a load: waits, use of the GPUs, cost of a minute of video.

    The defaults for times are placeholders: measure yours (`timings` of a job, or
    `tcan animate --json`) and give them.
    """
    from cli.simulation.engine import simulate as run_scenario
    from cli.simulation.outcome import outcome

    given = dict(locals())
    known = {name: given[name] for name in asdict(USUAL) if name in given}
    known |= {
        "frames": tuple((int(name), weight) for name, weight in read_weights(frames)),
        "callers": tuple(read_weights(callers)),
        "priorities": tuple(read_weights(priorities)),
        "max_gpus": gpus if max_gpus is None else max_gpus,
    }
    scenario = Scenario(**known)
    arrivals = draw_arrivals(scenario)
    run = run_scenario(scenario, arrivals)
    found = outcome(run)
    if plot is not None:
        from cli.simulation.outcome_plot import plot_run

        plot_run(plot, run)
    if as_json:
        typer.echo(json.dumps({"scenario": asdict(scenario), "outcome": asdict(found)}, indent=2))
        return
    typer.echo(f"{found.jobs} jobs, load {load(scenario, arrivals):.2f} of {gpus} GPUs")
    for name, by_percent in (("wait", found.wait_s), ("total", found.total_s)):
        shown = "  ".join(f"p{percent} {value:.0f} s" for percent, value in by_percent.items())
        typer.echo(f"{name:6}{shown}")
    typer.echo(f"mean wait {found.mean_wait_s:.1f} s, worst {found.worst_wait_s:.0f} s")
    for caller, wait_s in found.callers_wait_s.items():
        typer.echo(f"  {caller}: mean wait {wait_s:.1f} s")
    typer.echo(
        f"GPUs: {found.gpu_use:.0%} of {found.gpu_hours:.1f} paid hours, {found.most_gpus} at most"
    )
    typer.echo(f"jobs that lost their GPU: {found.losses}")
    typer.echo(f"cost of a video-minute: {found.cost_per_video_minute:.3f}")


def read_weights(text: str) -> list[tuple[str, float]]:
    """Names and weights of `a:3,b:1`. Raises SettingsError."""
    try:
        pairs = [part.split(":") for part in text.split(",")]
        return [(name.strip(), float(weight)) for name, weight in pairs]
    except ValueError:
        raise SettingsError(f"{text!r} is not of the form name:weight,name:weight") from None
