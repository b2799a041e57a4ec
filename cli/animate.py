"""`tcan animate`: the main job without the service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.progress import Progress

    from media.watermark.embed import Watermarker
    from tcan_core.distributed.process_group import ProcessGroup
    from tcan_core.models.runtime import RuntimeOptions
    from tcan_core.pipelines.animate import AnimateSettings
    from tcan_core.pipelines.animate_files import AnimateReport, Prepared
    from tcan_core.progress import AnimateProgress

# What a mark carries here: the seed, as far as it fits.
MARK_BITS = 0xFFFFFFFF


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
    detector: Annotated[
        str | None,
        typer.Option(help="puppet, openpose, dwpose; @cuda after it. Default: the preset's."),
    ] = None,
    person: Annotated[
        str | None,
        typer.Option(help="Who drives: 0, 1... from the left, or X,Y in parts of the frame."),
    ] = None,
    pose_video: Annotated[Path | None, typer.Option(help="Also write the skeletons.")] = None,
    watermark: Annotated[
        bool, typer.Option(help="Lay an imperceptible mark over pictures of 256x256 or more.")
    ] = True,
    device: Annotated[str, typer.Option(help="Where the model runs: cpu, cuda.")] = "cpu",
    scheduler: Annotated[
        str | None, typer.Option(help="ddim, dpm++2m, ays, lcm, or a class of diffusers.")
    ] = None,
    fusion: Annotated[
        str, typer.Option(help="Weights of overlapping windows: pyramid, or flat as in the paper.")
    ] = "pyramid",
    noise: Annotated[
        str | None,
        typer.Option(help="Initial noise: independent, or freenoise. Default: the preset's."),
    ] = None,
    cache_interval: Annotated[
        int, typer.Option(min=1, help="Run the whole network every N steps only: faster, coarser.")
    ] = 1,
    dtype: Annotated[
        str, typer.Option(help="float32; float16, bfloat16: half the memory, faster on GPUs.")
    ] = "float32",
    fp8_weights: Annotated[
        bool, typer.Option(help="Store weights in 8 bits, cast layer by layer.")
    ] = False,
    serial_guidance: Annotated[
        bool, typer.Option(help="Halves of guidance one after the other: less memory.")
    ] = False,
    offload: Annotated[
        bool,
        typer.Option(
            help="Networks on the device only while their stage lasts; on a CPU: nothing."
        ),
    ] = False,
    tile_codec: Annotated[bool, typer.Option(help="Decode large pictures in tiles.")] = False,
    window_batch: Annotated[
        int | None,
        typer.Option(min=1, help="Windows predicted together; under a limit the most. Default: 1."),
    ] = None,
    decode_batch: Annotated[
        int | None,
        typer.Option(min=1, help="Frames decoded together; under a limit the most. Default: 16."),
    ] = None,
    memory_limit: Annotated[
        str | None,
        typer.Option(
            help="Choose options that fit, such as 8GiB, or refuse; see `tcan plan`. "
            "Windows together, up to 4, are chosen where --window-batch says nothing."
        ),
    ] = None,
    attention: Annotated[str, typer.Option(help="sdpa, or xformers (CUDA alone).")] = "sdpa",
    channels_last: Annotated[bool, typer.Option(help="Memory layout of convolutions.")] = False,
    compile_blocks: Annotated[
        bool,
        typer.Option(
            "--compile", help="torch.compile; the first step takes minutes, and on a CPU g++."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Animate one picture with the motion of a driving video.

    Under `torchrun` the windows of the video are shared by its processes, a device for each.
    """
    from media.watermark.embed import Watermarker
    from tcan_core.startup import fast_imports

    with fast_imports():
        from tcan_core.conditioning.cleaning import CleaningSettings, parse_person
        from tcan_core.distributed.process_group import join_process_group, local_device
        from tcan_core.models.devices import check_device
        from tcan_core.models.runtime import RuntimeOptions
        from tcan_core.models.weights.presets import load_preset
        from tcan_core.pipelines.animate import AnimateSettings
        from tcan_core.pipelines.animate_files import prepare, random_seed
        from tcan_core.pipelines.preflight import check_files

    check_files(driving, [out] if pose_video is None else [out, pose_video], audio=audio)
    check_device(local_device(device))
    options = RuntimeOptions(
        dtype=dtype,  # type: ignore[arg-type]  # checked there
        fp8_weights=fp8_weights,
        serial_guidance=serial_guidance,
        offload=offload,
        tile_codec=tile_codec,
        channels_last=channels_last,
        attention=attention,  # type: ignore[arg-type]  # checked there
        compile=compile_blocks,
    )
    group = join_process_group()
    settings = AnimateSettings(
        seed=group.broadcast(random_seed() if seed is None else seed),
        num_inference_steps=num_inference_steps,
        guidance_scale=guidance_scale,
        context_size=context_size,
        context_overlap=context_overlap,
        ptm_tau=ptm_tau,
        retarget=retarget,
        scheduler=scheduler,
        fusion=fusion,  # type: ignore[arg-type]  # checked there
        noise=noise,  # type: ignore[arg-type]  # checked there
        cache_interval=cache_interval,
        window_batch=window_batch or 1,
        decode_batch=decode_batch or AnimateSettings.decode_batch,
    )
    with _bar() as bar:
        progress = _shower(bar)
        prepared = prepare(
            image,
            driving,
            detector=detector or load_preset(preset).detector,
            cleaning=CleaningSettings(person=parse_person(person)),
            progress=_counter(bar),
            source_pose_path=source_pose,
            retarget=retarget,
        )
        if not group.rank:
            _warn(bar, prepared.warnings)
        if memory_limit is not None:
            settings, options = _fitted(
                (preset, local_device(device), memory_limit),
                prepared,
                settings,
                options,
                (window_batch, decode_batch),
            )
        marker = Watermarker(settings.seed & MARK_BITS) if watermark else None
        outputs = _Outputs(out, pose_video, driving if audio else None, marker)
        report = _render(preset, device, options, group, prepared, settings, outputs, progress)
    if report is not None:
        _tell(report, outputs, as_json)


class _Outputs(NamedTuple):
    video: Path
    poses: Path | None
    audio_from: Path | None
    marker: Watermarker | None


def _render(
    preset: str,
    device: str,
    options: RuntimeOptions,
    group: ProcessGroup,
    prepared: Prepared,
    settings: AnimateSettings,
    outputs: _Outputs,
    progress: Callable[[AnimateProgress], None],
) -> AnimateReport | None:
    """Animate; of several processes all but the first only take part, and report nothing."""
    from tcan_core.distributed.process_group import local_device
    from tcan_core.pipelines.animate import AnimatePipeline
    from tcan_core.pipelines.animate_files import render, render_as_peer

    pipeline = AnimatePipeline.from_preset(
        preset, device=local_device(device), options=options, group=group
    )
    if group.rank:
        render_as_peer(pipeline, prepared, settings)
        return None
    return render(
        pipeline,
        prepared,
        outputs.video,
        settings,
        progress=progress,
        pose_path=outputs.poses,
        audio_from=outputs.audio_from,
        frame_filter=outputs.marker,
    )


def _fitted(
    where: tuple[str, str, str],
    prepared: Prepared,
    settings: AnimateSettings,
    options: RuntimeOptions,
    most: tuple[int | None, int | None],
) -> tuple[AnimateSettings, RuntimeOptions]:
    """Settings and options that fit the device. Raises ParameterError when none do.

    Args:
        where: preset, device and its memory.
        most: windows and frames at a time that the caller names.
    """
    from dataclasses import replace

    from cli.plan import plan_within, read_bytes
    from tcan_core.models.weights.presets import load_preset
    from tcan_core.planning.budget import choices_on, run_of

    preset, device, limit = where
    height, width = prepared.image.shape[:2]
    run = run_of(load_preset(preset), (height, width), len(prepared.poses), settings.context_size)
    found = plan_within(run, read_bytes(limit), options, choices_on(device), *most)
    windows, frames = found.window_batch, found.decode_batch
    return replace(settings, window_batch=windows, decode_batch=frames), found.options


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))


def _warn(bar: Progress, warnings: Sequence[str]) -> None:
    """Tell what the poses are like while nothing has been spent on them but a look."""
    for warning in warnings:
        bar.console.print(f"warning: {warning}", markup=False, highlight=False, soft_wrap=True)


def _counter(bar: Progress) -> Callable[[int, int], None]:
    task = bar.add_task("looking for people", total=None)
    return lambda done, expected: bar.update(task, completed=done, total=max(done, expected))


def _shower(bar: Progress) -> Callable[[AnimateProgress], None]:
    task = bar.add_task("preparing", total=1.0)

    def show(now: AnimateProgress) -> None:
        steps = f" step {now.step} of {now.steps}" if now.stage == "denoise" else ""
        bar.update(task, description=f"{now.stage}{steps}", completed=now.fraction)

    return show


def _tell(report: AnimateReport, outputs: _Outputs, as_json: bool) -> None:
    import json
    from dataclasses import asdict

    from media.watermark.pattern import no_watermark_reason

    out = outputs.video
    unmarked = "turned off" if outputs.marker is None else no_watermark_reason(*report.size)
    if as_json:
        typer.echo(json.dumps(asdict(report) | {"unmarked": unmarked}))
        return
    if outputs.marker is not None and unmarked is not None:
        typer.echo(f"no watermark: {unmarked}", err=True)
    seconds = sum(report.seconds.values())
    typer.echo(
        f"{out}: {report.frames} frames at {report.fps:g} fps, seed {report.seed}, {seconds:.1f} s"
    )
