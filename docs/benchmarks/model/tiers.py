"""Quality of faster, inexact settings: preset `mini` on unseen puppets.

    python docs/benchmarks/model/tiers.py [--pairs 8] [--frames 16]

All settings animate the same pairs with the same seeds; the reference is the same model with 25
steps of DDIM. With a cache interval of n, the whole network runs at every nth step only. Printed
are the processor time relative to the reference, with encoding and decoding; PSNR of the moving
region against the truth, and its difference from the reference per pair, with a 95 % bootstrap
interval; PSNR of the whole image against the reference.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tcan_core.evaluation.intervals import bootstrap_interval
from tcan_core.evaluation.metrics import Frames, moving_region_mask, moving_region_psnr, psnr
from tcan_core.evaluation.pairs import Pair, read_pairs
from tcan_core.pipelines.animate import AnimatePipeline
from tcan_core.puppets.pairs import render_pair
from tcan_core.puppets.world import FIRST_TEST_SEED


class Tier(NamedTuple):
    """Settings to measure."""

    scheduler: str
    steps: int
    cache_interval: int = 1


class Result(NamedTuple):
    """The result of one pair."""

    frames: Frames
    psnr: float
    cpu_s: float


REFERENCE = Tier("ddim", 25)
TIERS = [
    REFERENCE,
    Tier("ddim", 25, 2),
    Tier("ddim", 25, 3),
    Tier("ddim", 25, 5),
    Tier("ddim", 8),
    Tier("ddim", 8, 2),
    Tier("ddim", 4),
    Tier("ddim", 4, 2),
    Tier("ddim", 2),
    Tier("dpm++2m", 8),
    Tier("dpm++2m", 4),
    Tier("dpm++2m", 2),
    Tier("ays", 8),
    Tier("ays", 4),
    Tier("ays", 2),
    Tier("lcm", 4),
    Tier("lcm", 2),
]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--frames", type=int, default=16)
    args = parser.parse_args()
    pipeline = AnimatePipeline.from_preset("mini")
    with tempfile.TemporaryDirectory() as folder:
        for index in range(args.pairs):
            out = Path(folder) / f"{index:04d}"
            render_pair(out, FIRST_TEST_SEED + 2000 + index, args.frames, 64)
        pairs = read_pairs(Path(folder))
        _animate(pipeline, pairs[0], Tier("ddim", 2), 0)  # warm-up
        reference = _animate_all(pipeline, pairs, REFERENCE)
        print("scheduler | steps | cache interval | time | moving-region PSNR, dB |"
              " against the reference, dB | PSNR to the reference, dB")  # fmt: skip
        for tier in TIERS:
            results = reference if tier == REFERENCE else _animate_all(pipeline, pairs, tier)
            _print_row(tier, results, reference)


def _print_row(tier: Tier, results: list[Result], reference: list[Result]) -> None:
    """Print a row."""
    pairs = list(zip(results, reference, strict=True))
    change = bootstrap_interval([result.psnr - base.psnr for result, base in pairs])
    time_part = sum(result.cpu_s for result in results) / sum(base.cpu_s for base in reference)
    similarity = np.mean([psnr(result.frames, base.frames) for result, base in pairs])
    print(
        f"{tier.scheduler} | {tier.steps} | {tier.cache_interval} | {time_part:.2f}"
        f" | {np.mean([result.psnr for result in results]):.2f} | {change.mean:+.2f}"
        f" ({change.low:+.2f} to {change.high:+.2f}) | {similarity:.1f}",
        flush=True,
    )


def _animate_all(pipeline: AnimatePipeline, pairs: list[Pair], tier: Tier) -> list[Result]:
    return [_animate(pipeline, pair, tier, seed) for seed, pair in enumerate(pairs)]


def _animate(pipeline: AnimatePipeline, pair: Pair, tier: Tier, seed: int) -> Result:
    began_s = time.process_time()
    frames = pipeline(
        pair.source(),
        pair.driving_poses(),
        source_pose=pair.source_pose(),
        seed=seed,
        scheduler=tier.scheduler,
        num_inference_steps=tier.steps,
        cache_interval=tier.cache_interval,
    )
    cpu_s, truth = time.process_time() - began_s, pair.truth()
    quality = moving_region_psnr(frames, truth, moving_region_mask(pair.source(), truth))
    return Result(frames, quality, cpu_s)


if __name__ == "__main__":
    main()
