"""The share of encoding the source image in a job, in operations, on any machine.

    python docs/benchmarks/model/encoder_share.py [--preset mini sd15] [--frames 40]

A job encodes one image, reads the reference once per step, predicts every window once per step with
guidance, and decodes every frame. Matrix products and convolutions are counted, on tensors without
contents, but not those inside attention, so the encoder's real share is smaller.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tcan_core.models.runtime import RuntimeOptions
from tcan_core.models.weights.presets import load_preset
from tcan_core.planning.measure import GUIDANCE, META, FusedAttention, MeasuredModel
from tcan_core.sampling.context_windows import context_windows

WINDOW = 16


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", nargs="*", default=["mini", "sd15"])
    parser.add_argument("--frames", type=int, default=40)
    args = parser.parse_args()
    for name in args.preset:
        parts = counted(name, args.frames)
        total = sum(parts.values())
        for part, operations in parts.items():
            print(f"{name}: {part:8} {operations / 1e9:14,.1f} GFLOP {operations / total:9.4%}")


@torch.no_grad()
def counted(name: str, frames: int) -> dict[str, float]:
    """Return the operations of each part of a job, with the preset's default settings."""
    preset = load_preset(name)
    tcan = MeasuredModel.build(preset, RuntimeOptions()).tcan
    codec, side, sampling = tcan.codec, preset.resolution, preset.sampling
    steps, factor = sampling.num_inference_steps, codec.factor
    windows = len(context_windows(frames, WINDOW, sampling.context_overlap))
    timestep = torch.full((1,), 500, device=META)
    small = (side // factor, side // factor)
    reference = torch.empty(1, codec.latent_channels, *small, device=META)
    latents = torch.empty(1, codec.latent_channels, WINDOW, *small, device=META)
    pose_maps = torch.empty(1, 3, WINDOW, side, side, device=META)
    tcan.temperature.maps = torch.empty(1, side, side, device=META)
    image = torch.empty(1, 3, side, side, device=META)
    encode = operations_of(lambda: codec.encode(image))
    read = operations_of(lambda: tcan.read_reference(reference, timestep))
    predict = operations_of(lambda: tcan.predict(latents, timestep, pose_maps, GUIDANCE))
    decode = operations_of(lambda: codec.decode(reference))
    return {
        "encode": encode,
        "denoise": steps * (read + windows * predict),
        "decode": frames * decode,
    }


def operations_of(stage: Callable[[], object]) -> float:
    """Return the operations of a stage."""
    counter = FlopCounterMode(display=False)
    with FusedAttention(), counter:
        stage()
    return float(counter.get_total_flops())


if __name__ == "__main__":
    main()
