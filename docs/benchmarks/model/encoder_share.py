"""What encoding the source picture costs of a job: operations, counted, so that no machine matters.

    python docs/benchmarks/model/encoder_share.py [--preset mini sd15] [--frames 40]

A job is one picture encoded, the reference read once per step, every window predicted once per
step with both halves of guidance, every frame decoded. Products of matrices and convolutions count,
on tensors without contents; those inside attention do not, which makes the encoder's share look
larger than it is.
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
    asked = parser.parse_args()
    for name in asked.preset:
        parts = counted(name, asked.frames)
        total = sum(parts.values())
        for part, operations in parts.items():
            print(f"{name}: {part:8} {operations / 1e9:14,.1f} GFLOP {operations / total:9.4%}")


@torch.no_grad()
def counted(name: str, frames: int) -> dict[str, float]:
    """Operations of each part of a job of so many frames, with the preset's own settings."""
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
    picture = torch.empty(1, 3, side, side, device=META)
    encode = operations_of(lambda: codec.encode(picture))
    read = operations_of(lambda: tcan.read_reference(reference, timestep))
    predict = operations_of(lambda: tcan.predict(latents, timestep, pose_maps, GUIDANCE))
    decode = operations_of(lambda: codec.decode(reference))
    return {
        "encode": encode,
        "denoise": steps * (read + windows * predict),
        "decode": frames * decode,
    }


def operations_of(stage: Callable[[], object]) -> float:
    """Count those of a stage."""
    counter = FlopCounterMode(display=False)
    with FusedAttention(), counter:
        stage()
    return float(counter.get_total_flops())


if __name__ == "__main__":
    main()
