"""`tcan plan`: what a run takes of a device's memory, and how it fits, before it is started."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tcan_core.models.runtime import RuntimeOptions
    from tcan_core.models.weights.presets import Preset
    from tcan_core.planning.plan import Choices, Plan, Run

UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(plan)


def plan(
    memory: Annotated[str, typer.Option(help="Of the device, for tensors, such as 8GiB.")],
    preset: Annotated[str, typer.Option(help="Name of a preset, or path of its YAML.")] = "sd15",
    size: Annotated[str | None, typer.Option(help="HEIGHTxWIDTH of the picture.")] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, help="Of the video. Default: one window's.")
    ] = None,
    context_size: Annotated[int, typer.Option(min=1, help="Frames in a window.")] = 16,
    dtype: Annotated[str, typer.Option(help="float32, float16 or bfloat16.")] = "bfloat16",
    tile_codec: Annotated[bool, typer.Option(help="Decode large pictures in tiles.")] = False,
    measure: Annotated[
        bool, typer.Option(help="Measure first, if nothing is known: minutes, and no GPU needed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Choose options by which an animation fits a device, from measured memory; or refuse."""
    import json
    from dataclasses import asdict

    from tcan_core.models.runtime import RuntimeOptions
    from tcan_core.models.weights.presets import load_preset
    from tcan_core.planning.budget import run_of
    from tcan_core.planning.table import load_tables

    loaded, limit_bytes = load_preset(preset), read_bytes(memory)
    picture = (loaded.resolution, loaded.resolution) if size is None else read_size(size)
    options = RuntimeOptions(dtype=dtype, tile_codec=tile_codec)  # type: ignore[arg-type]
    run = run_of(loaded, picture, context_size if frames is None else frames, context_size)
    if measure:
        measure_if_new(loaded, run, options)
    found = plan_run(run, limit_bytes, options)
    if as_json:
        typer.echo(json.dumps(asdict(found) | {"peak_bytes": found.peak_bytes}))
        return
    for line in described(found):
        typer.echo(line)
    typer.echo(f"measured: {load_tables().source}")


def plan_run(
    run: Run, limit_bytes: int, options: RuntimeOptions, choices: Choices | None = None
) -> Plan:
    """Plan by what is known on this machine. Raises ParameterError."""
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
    """Plan with no more windows and frames at a time than are given. Raises ParameterError."""
    from dataclasses import replace

    from tcan_core.planning.budget import window_batches_up_to

    if window_batch is not None:
        choices = replace(choices, window_batches=window_batches_up_to(window_batch))
    found = plan_run(run, limit_bytes, options, choices)
    return replace(found, decode_batch=min(found.decode_batch, decode_batch or found.decode_batch))


def measure_if_new(preset: Preset, run: Run, options: RuntimeOptions) -> None:
    """Measure what a run takes, and keep it for this machine, where nothing is known of it."""
    from tcan_core.planning.plan import is_measured
    from tcan_core.planning.survey import survey
    from tcan_core.planning.table import load_tables, save_own

    if is_measured(run, options, load_tables()):
        return

    def report(line: str) -> None:
        typer.echo(line, err=True)

    save_own(survey(preset, options.dtype, [run.size], run.window, report=report))


def described(found: Plan) -> list[str]:
    """What a plan says, in lines."""
    from tcan_core.planning.plan import gib, switches_of

    how = switches_of(found.options)
    return [
        f"options: {how}; {found.window_batch} windows and {found.decode_batch} frames at a time",
        f"denoising: {gib(found.denoise_bytes)} of the device, windows of {found.window} frames",
        f"encoding and decoding: {gib(found.codec_bytes)} of the device",
        f"latents, on the host: {found.latents_bytes / 2**20:.1f} MiB for each copy",
    ]


def read_bytes(text: str) -> int:
    """Bytes of a text such as 8GiB or 500 MB. Raises BadParameter."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", text.lower())
    if found is None or found[2] not in UNITS:
        raise typer.BadParameter(f"{text!r} is no size of memory; write it like 8GiB or 500MB")
    return int(float(found[1]) * UNITS[found[2]])


def read_size(text: str) -> tuple[int, int]:
    """(height, width) of a text such as 512x768. Raises BadParameter."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.lower())
    if found is None or "0" in (found[1], found[2]):
        raise typer.BadParameter(f"{text!r} is no size; write it like 512x768, height first")
    return int(found[1]), int(found[2])
