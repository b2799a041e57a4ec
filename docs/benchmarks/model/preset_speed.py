"""Seconds per step and peak memory of a preset with random weights, beside the planner's numbers.

    python docs/benchmarks/model/preset_speed.py [--preset sd15] [--device cuda]
        [--frames 16 48 96] [--window-batch 1 2 4] [--context-size N] [--attention xformers]
        [--channels-last] [--compile] [--offload] [--tiny] [--out FOLDER]

Every number of frames is measured with the first window batch, and the last one with all of them.
Each case is a line of JSON, see `Case`; a step's time is the mean of two after one to warm up.
`--out` gets a picture of 16 frames, and their pixels: a later run of the same preset with other
options prints the mean difference to them, of 255. `--tiny` reduces the networks.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from media.contact_sheet import contact_sheet
from media.image import write_png
from tcan_core.conditioning.pose_maps import DrawnPoseMaps
from tcan_core.models.networks.attention import check_kernel
from tcan_core.models.runtime import DTYPES, RuntimeOptions
from tcan_core.models.weights.presets import Preset, load_preset
from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings
from tcan_core.pipelines.device_memory import (
    OUT_OF_MEMORY,
    cuda_memory,
    free_unused,
)
from tcan_core.planning.accounting import PeakMemory
from tcan_core.planning.budget import run_of
from tcan_core.planning.plan import predict
from tcan_core.planning.table import load_tables
from tcan_core.progress import AnimateProgress
from tcan_core.puppets.world import FIRST_TEST_SEED, sample_scene
from tests.tcan_core.random_tcan import random_tcan

SIDE, TINY_SIDE = 512, 64
STEPS, SHOWN = 3, 16
SWITCHES = ("channels_last", "compile", "offload")
TINY_UNET = {"block_out_channels": [32, 64, 96, 96], "cross_attention_dim": 24}
TINY_VAE = {"block_out_channels": [8, 8, 8, 8], "layers_per_block": 1, "norm_num_groups": 4}
TINY_ENCODER = {
    "hidden_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "projection_dim": 24,
}
TINY: dict[str, dict[str, Any]] = {
    "vae": TINY_VAE,
    "denoising_unet": TINY_UNET,
    "reference_unet": TINY_UNET,
    "controlnet": TINY_UNET | {"conditioning_embedding_out_channels": [4, 4, 8, 8]},
    "motion_modules": {"block_out_channels": TINY_UNET["block_out_channels"]},
    "controlnet_motion_modules": {"block_out_channels": TINY_UNET["block_out_channels"]},
    "pose_guider": {"conditioning_embedding_channels": 32, "block_out_channels": [4, 4, 8, 8]},
    "text_encoder": TINY_ENCODER,
    "image_encoder": TINY_ENCODER | {"patch_size": 56},
}
T = TypeVar("T")


@dataclass
class Case:
    """One measurement; a planned number is None where the planner's table has none.

    Attributes:
        variant: options that differ from sdpa without switches, or "plain".
        window: frames in a window.
        window_batch: windows predicted together.
        step_s: seconds of a denoising step of the whole video.
        denoise_bytes, codec_bytes: peak of the device's allocator, weights included; on a CPU,
            tensors are counted.
        driver_bytes: memory in use by the NVIDIA driver after denoising, by all processes.
        difference: mean difference to the frames of the plain variant, of 255.
        error: reason for which it was not measured.
    """

    preset: str
    variant: str
    frames: int
    window: int
    window_batch: int
    step_s: float | None = None
    denoise_bytes: int | None = None
    denoise_planned_bytes: int | None = None
    codec_bytes: int | None = None
    codec_planned_bytes: int | None = None
    driver_bytes: int | None = None
    difference: float | None = None
    error: str | None = None


def main() -> None:
    """Build the model once, and print a line for each case; exit with 1 if one has an error."""
    args = _arguments()
    check_kernel(args.attention, args.device)
    preset = load_preset(args.preset)
    if preset.resolution > TINY_SIDE:
        preset = tiny(preset) if args.tiny else replace(preset, resolution=SIDE)
    switches: dict[str, Any] = {name: getattr(args, name) for name in SWITCHES}
    options = RuntimeOptions(dtype=args.dtype, attention=args.attention, **switches)
    tcan = random_tcan(preset, options.torch_dtype)
    bench = Bench(AnimatePipeline(tcan, preset, args.device, options), options, args.out)
    has_error = False
    for frames, window_batch in cases(args.frames, args.window_batch):
        case = bench.measure(frames, window_batch, args.context_size)
        print(json.dumps(asdict(case)), flush=True)
        has_error |= case.error is not None
    sys.exit(has_error)


def tiny(preset: Preset) -> Preset:
    """Return a preset with the same parts and switches at widths that a CPU runs in a second."""
    parts = {
        name: replace(part, config=dict(part.config) | TINY[name]) if name in TINY else part
        for name, part in preset.parts.items()
    }
    return replace(preset, resolution=TINY_SIDE, parts=parts)


def cases(frames: list[int], window_batches: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the frames and window batches to measure."""
    yield from ((count, window_batches[0]) for count in frames)
    yield from ((frames[-1], count) for count in window_batches[1:])


@dataclass(frozen=True)
class Bench:
    """Measures one loaded model."""

    pipeline: AnimatePipeline
    options: RuntimeOptions
    out: Path | None

    @property
    def variant(self) -> str:
        """The options that differ from the plain ones."""
        chosen = [name for name in SWITCHES if getattr(self.options, name)]
        kernel = [] if self.options.attention == "sdpa" else [self.options.attention]
        return ", ".join(kernel + chosen) or "plain"

    def measure(self, frames: int, window_batch: int, context_size: int | None) -> Case:
        """Measure one case; one that does not fit the device's memory has an error."""
        preset = self.pipeline.preset
        settings = AnimateSettings(
            num_inference_steps=STEPS, context_size=context_size, window_batch=window_batch
        )
        window = min(settings.sampling(preset).context_size, frames)
        case = Case(preset.name, self.variant, frames, window, window_batch)
        run = run_of(preset, (preset.resolution, preset.resolution), frames, window)
        plan = predict(run, self.options, window_batch, settings.decode_batch, load_tables())
        if plan is not None:
            case.denoise_planned_bytes = plan.denoise_bytes
            case.codec_planned_bytes = plan.codec_bytes
        try:
            self._run(case, settings)
        except OUT_OF_MEMORY:
            case.error = "out of memory"
        free_unused(self.pipeline.device)
        return case

    @torch.inference_mode()
    def _run(self, case: Case, settings: AnimateSettings) -> None:
        pipeline, ends_s = self.pipeline, [0.0]
        side = pipeline.preset.resolution
        scene = sample_scene(FIRST_TEST_SEED, case.frames, side)
        image = scene.source.draw(scene.source_pose)[0]
        fit = pipeline.drawer.fit(image)

        def note(now: AnimateProgress) -> None:
            if now.window == now.windows:
                ends_s.append(time.monotonic())

        reference = pipeline.encode(fit.to_model(image))
        pipeline.read_image(image)
        maps = DrawnPoseMaps(scene.source.poses(scene.motion), pipeline.preset.skeleton)
        latents, case.denoise_bytes = self._peak(
            lambda: pipeline.denoise(reference, maps, settings, note, None)
        )
        case.step_s = (ends_s[-1] - ends_s[1]) / (STEPS - 1)
        memory = cuda_memory(pipeline.device)
        case.driver_bytes = memory and memory.used_bytes
        shown = latents[:, :, :SHOWN]
        pixels, case.codec_bytes = self._peak(
            lambda: np.stack(list(pipeline.decode(shown, fit, settings, lambda _: None, None)))
        )
        if not latents.isfinite().all():
            case.error = "the latents are not finite"
        if self.out is not None and case.frames == SHOWN and case.window_batch == 1:
            case.difference = self._keep(self.out, pixels)

    def _peak(self, stage: Callable[[], T]) -> tuple[T, int]:
        """Return a stage's result, and the peak memory in it."""
        if torch.device(self.pipeline.device).type != "cuda":
            with PeakMemory() as counted:
                tcan = self.pipeline.tcan
                for network in (tcan.codec, *tcan.denoising_networks):
                    counted.include([*network.parameters(), *network.buffers()])
                return stage(), int(counted.peak_bytes)
        torch.cuda.reset_peak_memory_stats(self.pipeline.device)
        return stage(), torch.cuda.max_memory_allocated(self.pipeline.device)

    def _keep(self, out: Path, pixels: np.ndarray) -> float | None:
        """Write a picture of frames (f, h, w, 3); return the difference to the plain ones."""
        name = self.pipeline.preset.name
        out.mkdir(parents=True, exist_ok=True)
        variant = self.variant.replace(", ", "-")
        write_png(out / f"{name}-{variant}.png", contact_sheet([list(pixels[::4])]))
        plain = out / f"{name}.npy"
        if self.variant == "plain":
            np.save(plain, pixels)
        if self.variant == "plain" or not plain.exists():
            return None
        return float(np.abs(pixels.astype(int) - np.load(plain)).mean())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", default="sd15")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", choices=list(DTYPES), default="bfloat16")
    parser.add_argument("--frames", type=int, nargs="+", default=[16, 48, 96])
    parser.add_argument("--window-batch", type=int, nargs="+", default=[1])
    parser.add_argument("--context-size", type=int)
    parser.add_argument("--attention", default="sdpa")
    for name in SWITCHES:
        parser.add_argument(f"--{name.replace('_', '-')}", action="store_true")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
