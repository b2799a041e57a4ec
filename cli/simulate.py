"""`tcan simulate`: simulate waits, use and cost of a deployment under load."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.simulation.scenario import Scenario, draw_arrivals, load
from service.errors import SettingsError

DEFAULTS = Scenario()


def _option(text: str, minimum: float = 0.0) -> Any:
    return typer.Option(help=text, min=minimum)


def simulate(
    seed: Annotated[int, _option("Seed of arrivals and preemptions.")] = DEFAULTS.seed,
    hours: Annotated[float, _option("Duration of the load.")] = DEFAULTS.hours,
    jobs_per_hour: Annotated[float, _option("Mean rate of jobs.")] = DEFAULTS.jobs_per_hour,
    frames: Annotated[
        str, typer.Option(help="Frames of driving videos, with weights.")
    ] = "75:5,150:3,450:1",
    steps: Annotated[int, _option("Denoising steps.", 1)] = DEFAULTS.steps,
    callers: Annotated[str, typer.Option(help="Callers, with weights.")] = "a:1",
    priorities: Annotated[
        str, typer.Option(help="Priorities (high, normal, low), with weights.")
    ] = "normal:1",
    gpus: Annotated[int, _option("Minimum number of GPUs.", 1)] = DEFAULTS.gpus,
    max_gpus: Annotated[
        int | None, typer.Option(help="Maximum number of GPUs. Default: --gpus.")
    ] = None,
    preparers: Annotated[
        int, _option("Workers that only prepare jobs; 0: GPU workers do.")
    ] = DEFAULTS.preparers,
    context_size: Annotated[int, _option("Frames in a window.", 1)] = DEFAULTS.context_size,
    context_overlap: Annotated[
        int, _option("Frames shared by two windows.")
    ] = DEFAULTS.context_overlap,
    frame_step_s: Annotated[
        float, _option("Time per frame of a window and step.")
    ] = DEFAULTS.frame_step_s,
    render_frame_s: Annotated[
        float, _option("Other render time per frame.")
    ] = DEFAULTS.render_frame_s,
    render_s: Annotated[float, _option("Other time per render.")] = DEFAULTS.render_s,
    prepare_frame_s: Annotated[
        float, _option("Preparation time per frame.")
    ] = DEFAULTS.prepare_frame_s,
    prepare_s: Annotated[float, _option("Other time per preparation.")] = DEFAULTS.prepare_s,
    turnaround_s: Annotated[
        float, _option("Pause between two jobs of a worker.")
    ] = DEFAULTS.turnaround_s,
    preemptions_per_gpu_hour: Annotated[float, _option("Preemption rate.")] = 0.0,
    resume_s: Annotated[float, _option("Time until a lost job resumes.")] = DEFAULTS.resume_s,
    start_s: Annotated[float, _option("Start-up time of a GPU worker.")] = DEFAULTS.start_s,
    calm_s: Annotated[float, _option("Time until surplus GPUs are released.")] = DEFAULTS.calm_s,
    shrink_s: Annotated[float, _option("Time between two releases.")] = DEFAULTS.shrink_s,
    price_per_gpu_hour: Annotated[
        float, _option("Price, in any currency.")
    ] = DEFAULTS.price_per_gpu_hour,
    fps: Annotated[float, _option("Frame rate of driving videos.")] = DEFAULTS.fps,
    plot: Annotated[Path | None, typer.Option(help="Write two diagrams to this PNG.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Simulate a deployment under load: waits, GPU use, cost of a minute of video.

    The default times are placeholders: use your own measurements (`timings` of a job, or
    `tcan animate --json`).
    """
    from cli.simulation.engine import simulate as run_scenario
    from cli.simulation.outcome import outcome

    arguments = dict(locals())
    fields = {name: arguments[name] for name in asdict(DEFAULTS) if name in arguments}
    fields |= {
        "frames": tuple((int(name), weight) for name, weight in read_weights(frames)),
        "callers": tuple(read_weights(callers)),
        "priorities": tuple(read_weights(priorities)),
        "max_gpus": gpus if max_gpus is None else max_gpus,
    }
    scenario = Scenario(**fields)
    arrivals = draw_arrivals(scenario)
    run = run_scenario(scenario, arrivals)
    result = outcome(run)
    if plot is not None:
        from cli.simulation.plot import plot_run

        plot_run(plot, run)
    if as_json:
        typer.echo(json.dumps({"scenario": asdict(scenario), "outcome": asdict(result)}, indent=2))
        return
    typer.echo(f"{result.jobs} jobs, load {load(scenario, arrivals):.2f} of {gpus} GPUs")
    for name, by_percent in (("wait", result.wait_s), ("total", result.total_s)):
        values = "  ".join(f"p{percent} {value:.0f} s" for percent, value in by_percent.items())
        typer.echo(f"{name:6}{values}")
    typer.echo(f"mean wait {result.mean_wait_s:.1f} s, worst {result.worst_wait_s:.0f} s")
    for caller, wait_s in result.callers_wait_s.items():
        typer.echo(f"  {caller}: mean wait {wait_s:.1f} s")
    typer.echo(
        f"GPUs: {result.gpu_use:.0%} of {result.gpu_hours:.1f} paid hours, max {result.most_gpus}"
    )
    typer.echo(f"jobs that lost their GPU: {result.losses}")
    typer.echo(f"cost of a video-minute: {result.cost_per_video_minute:.3f}")


def read_weights(text: str) -> list[tuple[str, float]]:
    """Parse names and weights such as `a:3,b:1`. Raises SettingsError."""
    try:
        pairs = [part.split(":") for part in text.split(",")]
        return [(name.strip(), float(weight)) for name, weight in pairs]
    except ValueError:
        raise SettingsError(f"{text!r} is invalid; write it like name:weight,name:weight") from None
