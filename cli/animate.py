"""`tcan animate`: animate an image without the service."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from cli.plan import plan_within, read_bytes
from cli.poses import PoseCanvas, PoseFps, PoseLayout

if TYPE_CHECKING:
    from collections.abc import Callable

    from media.watermark.embed import Watermarker
    from tcan_core.distributed.process_group import ProcessGroup
    from tcan_core.models.runtime import RuntimeOptions
    from tcan_core.pipelines.animate import AnimateSettings
    from tcan_core.pipelines.animate_files import AnimateReport, PreparedInput
    from tcan_core.progress import AnimateProgress

# The watermark's payload is the low bits of the seed.
PAYLOAD_BITS = 0xFFFFFFFF


def animate(
    image: Annotated[Path, typer.Option(help="Image of the character.")],
    driving: Annotated[
        Path, typer.Option(help="Driving video or pose file (.json, .zip, folder).")
    ],
    out: Annotated[Path, typer.Option(help="The mp4 to write.")],
    preset: Annotated[str, typer.Option(help="Name of a preset, or path of its YAML.")] = "mini",
    seed: Annotated[
        int | None, typer.Option(min=0, help="Seed of the noise. Default: random, and printed.")
    ] = None,
    num_inference_steps: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Denoising steps. Default: the preset's.")
    ] = None,
    guidance_scale: Annotated[
        float | None, typer.Option(min=0, help="Guidance; 1 means none. Default: the preset's.")
    ] = None,
    context_size: Annotated[
        int | None, typer.Option(help="Frames in a window. Default: the preset's.")
    ] = None,
    context_overlap: Annotated[
        int | None,
        typer.Option(help="Frames shared by neighbouring windows. Default: the preset's."),
    ] = None,
    ptm_tau: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Pose-driven temperature: more means a calmer background. Default: 3, or"
            " 0 for a preset that takes maps.",
        ),
    ] = None,
    retarget: Annotated[
        bool, typer.Option(help="Adapt the poses to the character's limbs.")
    ] = True,
    root_motion: Annotated[
        str,
        typer.Option(
            help="How far the figure moves in its picture: full, bounded (as far inside as the"
            " driving person), or none."
        ),
    ] = "bounded",
    source_pose: Annotated[
        Path | None, typer.Option(help="Pose file of the image. Default: detected.")
    ] = None,
    trim: Annotated[
        str | None,
        typer.Option(metavar="START:END", help="Part of the driving file, in seconds: 1.5:4, :4."),
    ] = None,
    layout: PoseLayout = "auto",
    canvas: PoseCanvas = None,
    fps: PoseFps = None,
    audio: Annotated[bool, typer.Option(help="Copy the driving video's sound.")] = False,
    detector: Annotated[
        str | None,
        typer.Option(
            help="puppet, movenet, dwpose, openpose or auto, such as dwpose@cuda. Default: the"
            " preset's."
        ),
    ] = None,
    person: Annotated[
        str | None,
        typer.Option(
            help="Driving person: 0, 1... from the left, or X,Y as fractions of the frame."
        ),
    ] = None,
    pose_video: Annotated[
        Path | None, typer.Option(help="Also write a video of the skeletons.")
    ] = None,
    any_subject: Annotated[
        bool,
        typer.Option(
            "--any-subject", help="Go on with images and videos that the preset is not made for."
        ),
    ] = False,
    watermark: Annotated[
        bool, typer.Option(help="Add an imperceptible watermark, for sizes from 256x256.")
    ] = True,
    device: Annotated[str, typer.Option(help="Device of the model: cpu or cuda.")] = "cpu",
    scheduler: Annotated[
        str | None, typer.Option(help="ddim, dpm++2m, ays, lcm, or a class of diffusers.")
    ] = None,
    fusion: Annotated[
        str | None,
        typer.Option(
            help="Weights of overlapping windows: pyramid, or flat as in the paper. "
            "Default: the preset's."
        ),
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(help="Initial noise: independent, freenoise or tiled. Default: the preset's."),
    ] = None,
    cache_interval: Annotated[
        int,
        typer.Option(min=1, help="Run the whole network only every N steps: faster, less exact."),
    ] = 1,
    dtype: Annotated[
        str, typer.Option(help="float32, or float16 or bfloat16: half the memory, faster on GPUs.")
    ] = "float32",
    fp8_weights: Annotated[
        bool, typer.Option(help="Store weights in 8 bits, cast layer by layer.")
    ] = False,
    serial_guidance: Annotated[
        bool,
        typer.Option(help="Compute conditional and unconditional guidance in turn: less memory."),
    ] = False,
    offload: Annotated[
        bool,
        typer.Option(
            help="Keep networks on the device only during their stage; no effect on a CPU."
        ),
    ] = False,
    tile_codec: Annotated[bool, typer.Option(help="Decode large images in tiles.")] = False,
    window_batch: Annotated[
        int | None,
        typer.Option(
            min=1, help="Windows predicted together; the maximum with --memory-limit. Default: 1."
        ),
    ] = None,
    decode_batch: Annotated[
        int | None,
        typer.Option(
            min=1, help="Frames decoded together; the maximum with --memory-limit. Default: 16."
        ),
    ] = None,
    memory_limit: Annotated[
        str | None,
        typer.Option(
            help="Choose options that fit, such as 8GiB, or fail; see `tcan plan`. "
            "Without --window-batch up to 4 windows are predicted together."
        ),
    ] = None,
    attention: Annotated[str, typer.Option(help="sdpa, or xformers (only CUDA).")] = "sdpa",
    channels_last: Annotated[
        bool, typer.Option(help="Use the channels-last memory layout.")
    ] = False,
    compile_blocks: Annotated[
        bool,
        typer.Option(
            "--compile", help="Use torch.compile: the first step takes minutes; a CPU needs g++."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Animate one image with the motion of a driving video.

    Under `torchrun` its processes share the windows of the video, each with its own device.
    """
    from media.frame_writers import stored_format
    from media.poses.document import pose_file_options
    from media.trim import Trim
    from media.watermark.embed import Watermarker
    from tcan_core.startup import fast_imports

    with fast_imports():
        from tcan_core.conditioning.cleaning.person import parse_person
        from tcan_core.conditioning.cleaning.settings import CleaningSettings
        from tcan_core.distributed.process_group import join_process_group, local_device
        from tcan_core.models.devices import check_device
        from tcan_core.models.runtime import RuntimeOptions
        from tcan_core.models.weights.presets import load_preset
        from tcan_core.pipelines.animate import AnimateSettings
        from tcan_core.pipelines.animate_files import prepare, random_seed
        from tcan_core.pipelines.condition_maps import prepare_maps, reject_pose_options
        from tcan_core.pipelines.preflight import check_files, check_weights
        from tcan_core.pipelines.subjects import check_subjects

    part = Trim() if trim is None else Trim.parse(trim)
    pose_options = pose_file_options(layout, canvas, fps)
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
        root_motion=root_motion,  # type: ignore[arg-type]  # checked there
        scheduler=scheduler,
        fusion=fusion,  # type: ignore[arg-type]  # checked there
        noise=noise,  # type: ignore[arg-type]  # checked there
        cache_interval=cache_interval,
        window_batch=window_batch or 1,
        decode_batch=decode_batch or AnimateSettings.decode_batch,
    )
    loaded = load_preset(preset)
    settings.temperature(loaded)  # refuses what the preset cannot do, before any work
    if loaded.condition == "maps":
        about_poses = {"--source-pose": source_pose, "--person": person, "--detector": detector}
        reject_pose_options(about_poses | {"--canvas": canvas, "--fps": fps})
    check_weights(loaded)
    if not any_subject:
        check_subjects(loaded, image, driving, detector or loaded.detector, trim=part)
    with _bar() as bar:
        progress = _progress_updater(bar)
        found = _detection_updater(bar)
        if loaded.condition == "maps":
            prepared = prepare_maps(
                image, driving, progress=found, trim=part, audio=audio and not group.rank
            )
        else:
            prepared = prepare(
                image,
                driving,
                detector=detector or loaded.detector,
                cleaning=CleaningSettings(person=parse_person(person)),
                progress=found,
                source_pose_path=source_pose,
                **settings.placing,
                trim=part,
                audio=audio and not group.rank,
                pose_options=pose_options,
            )
        settings.windows(prepared.num_frames, loaded)  # refuses windows that are too long
        if not group.rank:
            stored = stored_format(out, prepared.fps, prepared.image.shape[:2])
            for line in [*prepared.warnings, *stored.warnings]:  # before the long computation
                bar.console.print(f"warning: {line}", markup=False, highlight=False, soft_wrap=True)
        if memory_limit is not None:
            settings, options = _fitted(
                (preset, local_device(device), memory_limit),
                prepared,
                settings,
                options,
                (window_batch, decode_batch),
            )
        marker = Watermarker(settings.seed & PAYLOAD_BITS) if watermark else None
        outputs = _Outputs(out, pose_video, marker)
        report = _render(preset, device, options, group, prepared, settings, outputs, progress)
    if report is not None:
        _print_report(report, outputs, as_json)


class _Outputs(NamedTuple):
    video: Path
    poses: Path | None
    marker: Watermarker | None


def _render(
    preset: str,
    device: str,
    options: RuntimeOptions,
    group: ProcessGroup,
    prepared: PreparedInput,
    settings: AnimateSettings,
    outputs: _Outputs,
    progress: Callable[[AnimateProgress], None],
) -> AnimateReport | None:
    """Animate. Of several processes only the first returns a report."""
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
        frame_filter=outputs.marker,
    )


def _fitted(
    target: tuple[str, str, str],
    prepared: PreparedInput,
    settings: AnimateSettings,
    options: RuntimeOptions,
    max_batches: tuple[int | None, int | None],
) -> tuple[AnimateSettings, RuntimeOptions]:
    """Return settings and options that fit the device. Raises ParameterError if none do.

    Args:
        target: preset, device and its memory limit.
        max_batches: maximum of windows and of frames at a time.
    """
    from tcan_core.models.weights.presets import load_preset
    from tcan_core.planning.budget import choices_on, run_of

    preset, device, limit = target
    height, width = prepared.image.shape[:2]
    loaded = load_preset(preset)
    context_size = settings.sampling(loaded).context_size
    run = run_of(loaded, (height, width), prepared.num_frames, context_size)
    plan = plan_within(run, read_bytes(limit), options, choices_on(device), *max_batches)
    windows, frames = plan.window_batch, plan.decode_batch
    return replace(settings, window_batch=windows, decode_batch=frames), plan.options


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"))
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))


def _detection_updater(bar: Progress) -> Callable[[int, int], None]:
    task = bar.add_task("detecting people", total=None)
    return lambda done, expected: bar.update(task, completed=done, total=max(done, expected))


def _progress_updater(bar: Progress) -> Callable[[AnimateProgress], None]:
    task = bar.add_task("preparing", total=1.0)

    def show(now: AnimateProgress) -> None:
        steps = f" step {now.step} of {now.steps}" if now.stage == "denoise" else ""
        bar.update(task, description=f"{now.stage}{steps}", completed=now.fraction)

    return show


def _print_report(report: AnimateReport, outputs: _Outputs, as_json: bool) -> None:
    from media.watermark.pattern import no_watermark_reason

    out = outputs.video
    reason = "turned off" if outputs.marker is None else no_watermark_reason(*report.size)
    if as_json:
        typer.echo(json.dumps(asdict(report) | {"unmarked": reason}))
        return
    if outputs.marker is not None and reason is not None:
        typer.echo(f"no watermark: {reason}", err=True)
    seconds = sum(report.seconds.values())
    typer.echo(
        f"{out}: {report.frames} frames at {report.fps:g} fps, seed {report.seed}, {seconds:.1f} s"
    )
