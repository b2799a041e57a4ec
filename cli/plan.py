"""`tcan plan`: choose options by which a run fits a device's memory, before it starts."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tcan_core.models.runtime import RuntimeOptions
    from tcan_core.models.weights.presets import Preset
    from tcan_core.planning.plan import Choices, Plan, Run

UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def plan(
    memory: Annotated[str, typer.Option(help="Device memory limit for tensors, such as 8GiB.")],
    preset: Annotated[str, typer.Option(help="Name of a preset, or path of its YAML.")] = "sd15",
    size: Annotated[
        str | None, typer.Option(help="HEIGHTxWIDTH of the image. Default: the preset's.")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, help="Frames of the video. Default: one window's.")
    ] = None,
    context_size: Annotated[
        int | None, typer.Option(min=1, help="Frames in a window. Default: the preset's.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="float32, float16 or bfloat16.")] = "bfloat16",
    tile_codec: Annotated[bool, typer.Option(help="Decode large images in tiles.")] = False,
    measure: Annotated[
        bool,
        typer.Option(help="Measure first, if nothing was measured: takes minutes, needs no GPU."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Choose options by which an animation fits a device, by measured memory; or fail."""
    from tcan_core.models.runtime import RuntimeOptions
    from tcan_core.models.weights.presets import load_preset
    from tcan_core.planning.budget import run_of
    from tcan_core.planning.table import load_tables

    loaded, limit_bytes = load_preset(preset), read_bytes(memory)
    image_size = (loaded.resolution, loaded.resolution) if size is None else read_size(size)
    options = RuntimeOptions(dtype=dtype, tile_codec=tile_codec)  # type: ignore[arg-type]
    window = context_size or loaded.sampling.context_size
    run = run_of(loaded, image_size, window if frames is None else frames, window)
    if run.window > loaded.max_context_size:
        raise typer.BadParameter(
            f"{loaded.name} takes no windows of {run.window} frames: its motion modules take at "
            f"most {loaded.max_context_size}; give a smaller --context-size"
        )
    if measure:
        measure_if_new(loaded, run, options)
    chosen = plan_run(run, limit_bytes, options)
    if as_json:
        typer.echo(json.dumps(asdict(chosen) | {"peak_bytes": chosen.peak_bytes}))
        return
    for line in plan_lines(chosen):
        typer.echo(line)
    typer.echo(f"measured: {load_tables().source}")


def plan_run(
    run: Run, limit_bytes: int, options: RuntimeOptions, choices: Choices | None = None
) -> Plan:
    """Plan by the measurements of this machine. Raises ParameterError."""
    from tcan_core.planning.plan import ALL, plan
    from tcan_core.planning.table import load_tables

    return plan(run, limit_bytes, options, load_tables(), choices or ALL)


def plan_within(
    run: Run,
    limit_bytes: int,
    options: RuntimeOptions,
    choices: Choices,
    window_batch: int | None,
    decode_batch: int | None,
) -> Plan:
    """Plan with at most the given windows and frames at a time. Raises ParameterError."""
    from tcan_core.planning.budget import window_batches_up_to

    if window_batch is not None:
        choices = replace(choices, window_batches=window_batches_up_to(window_batch))
    plan = plan_run(run, limit_bytes, options, choices)
    return replace(plan, decode_batch=min(plan.decode_batch, decode_batch or plan.decode_batch))


def measure_if_new(preset: Preset, run: Run, options: RuntimeOptions) -> None:
    """Measure the memory of a run and save it for this machine, unless it is known."""
    from tcan_core.planning.plan import is_measured
    from tcan_core.planning.survey import survey
    from tcan_core.planning.table import load_tables, save_own

    if not is_measured(run, options, load_tables()):
        report = partial(typer.echo, err=True)
        save_own(survey(preset, options.dtype, [run.size], run.window, report=report))


def plan_lines(plan: Plan) -> list[str]:
    """Return a plan as lines of text."""
    from tcan_core.planning.plan import gib, switches_of

    switches = switches_of(plan.options)
    return [
        f"options: {switches}; {plan.window_batch} windows, {plan.decode_batch} frames at a time",
        f"denoising: {gib(plan.denoise_bytes)} of the device, windows of {plan.window} frames",
        f"encoding and decoding: {gib(plan.codec_bytes)} of the device",
        f"latents, on the host: {plan.latents_bytes / 2**20:.1f} MiB for each copy",
    ]


def read_bytes(text: str) -> int:
    """Parse a size such as 8GiB or 500 MB into bytes. Raises BadParameter."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", text.lower())
    if match is None or match[2] not in UNITS:
        raise typer.BadParameter(f"{text!r} is not a memory size; write it like 8GiB or 500MB")
    return int(float(match[1]) * UNITS[match[2]])


def read_size(text: str) -> tuple[int, int]:
    """Parse a size such as 512x768 into (height, width). Raises BadParameter."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.lower())
    if match is None or "0" in (match[1], match[2]):
        raise typer.BadParameter(f"{text!r} is not a size; write it like 512x768, height first")
    return int(match[1]), int(match[2])
