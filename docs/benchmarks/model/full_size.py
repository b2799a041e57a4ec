"""The preset sd15 at full size, with random weights, from an image to an mp4, on the CPU.

    python docs/benchmarks/model/full_size.py [--preset sd15] [--dtype bfloat16] [--frames 8]

Prints the parameters of each part, seconds, and the largest resident memory of the process. The
image is 256x256, and the preset's resolution is reduced to it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from media.video_reader import VideoReader
from tcan_core.models.runtime import DTYPES, RuntimeOptions
from tcan_core.models.weights.inventory import inventory
from tcan_core.models.weights.presets import load_preset
from tcan_core.pipelines.animate import AnimatePipeline, AnimateSettings
from tcan_core.pipelines.animate_files import PreparedInput, render
from tcan_core.pipelines.device_memory import peak_memory_bytes
from tcan_core.progress import AnimateProgress
from tcan_core.puppets.world import FIRST_TEST_SEED, sample_scene
from tests.tcan_core.random_tcan import random_tcan

SIDE, LIMIT_BYTES = 256, 20e9


def main() -> None:
    """Build, animate, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", default="sd15")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--dtype", choices=list(DTYPES), default="bfloat16")
    parser.add_argument("--frames", type=int, default=8)
    args = parser.parse_args()
    preset = replace(load_preset(args.preset), resolution=SIDE)
    began_s = time.monotonic()
    tcan = random_tcan(preset, DTYPES[args.dtype])
    print(f"built in {time.monotonic() - began_s:.0f} s, {peak_memory_bytes() / 1e9:.1f} GB so far")
    counts = {part.name: part.parameters for part in inventory(preset)}
    for name, count in counts.items():
        print(f"{name}: {count:,} parameters")
    networks = (tcan.denoising_unet, tcan.reference_unet)
    unet, reference = (sum(part.numel() for part in one.parameters()) for one in networks)
    assert unet == counts["denoising_unet"] + counts["motion_modules"], unet
    assert reference == counts["reference_unet"], reference
    pipeline = AnimatePipeline(tcan, preset, options=RuntimeOptions(dtype=args.dtype))
    with tempfile.TemporaryDirectory() as folder:
        out = args.out or Path(folder) / "out.mp4"
        scene = sample_scene(FIRST_TEST_SEED, args.frames, SIDE)
        prepared = PreparedInput(
            scene.source.draw(scene.source_pose)[0],
            scene.source_pose,
            scene.driving.poses(scene.motion),
            Fraction(8),
        )
        settings = AnimateSettings(num_inference_steps=1, decode_batch=1)
        report = render(pipeline, prepared, out, settings, progress=_print_progress)
        frames = list(VideoReader(out))
    assert [frame.shape for frame in frames] == args.frames * [(SIDE, SIDE, 3)]
    seconds = ", ".join(f"{stage} {time_s:.0f} s" for stage, time_s in report.seconds.items())
    print(f"{len(frames)} frames of {SIDE}x{SIDE} in {out.name}: {seconds}")
    peak = report.peak_memory_bytes
    print(
        f"largest resident memory: {peak / 1e9:.1f} GB (wanted: under {LIMIT_BYTES / 1e9:.0f} GB)"
    )
    sys.exit(peak >= LIMIT_BYTES)


def _print_progress(now: AnimateProgress) -> None:
    print(f"  {now.stage} {now.fraction:.0%}", flush=True)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
