"""What faster ways that are not exact cost in quality: preset `mini` on puppets it never saw.

    python docs/benchmarks/model/tiers.py [--pairs 8] [--frames 16]

Every way animates the same pairs with the same seeds; the reference is the same model in 25 steps
of DDIM. Printed: network evaluations per frame, PSNR on the moving region against the truth, and
its difference from the reference pair by pair, with a 95 % bootstrap interval.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tcan_core.evaluation.intervals import bootstrap_interval
from tcan_core.evaluation.metrics import moving_region_mask, moving_region_psnr
from tcan_core.evaluation.pairs import Pair, read_pairs
from tcan_core.pipelines.animate import AnimatePipeline
from tcan_core.puppets.pairs import render_pair
from tcan_core.puppets.world import FIRST_TEST_SEED

REFERENCE = ("ddim", 25)
WAYS = [
    REFERENCE,
    ("ddim", 8),
    ("ddim", 4),
    ("ddim", 2),
    ("dpm++2m", 8),
    ("dpm++2m", 4),
    ("dpm++2m", 2),
    ("ays", 8),
    ("ays", 4),
    ("ays", 2),
    ("lcm", 4),
    ("lcm", 2),
]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--frames", type=int, default=16)
    asked = parser.parse_args()
    pipeline = AnimatePipeline.from_preset("mini")
    with tempfile.TemporaryDirectory() as folder:
        for index in range(asked.pairs):
            out = Path(folder) / f"{index:04d}"
            render_pair(out, FIRST_TEST_SEED + 2000 + index, asked.frames, 64)
        pairs = read_pairs(Path(folder))
        reference = _psnrs(pipeline, pairs, REFERENCE)
        print("scheduler | steps | moving-region PSNR, dB | against 25 steps of ddim, dB")
        for way in WAYS:
            values = reference if way == REFERENCE else _psnrs(pipeline, pairs, way)
            change = bootstrap_interval(np.subtract(values, reference).tolist())
            print(
                f"{way[0]} | {way[1]} | {np.mean(values):.2f} | {change.mean:+.2f}"
                f" ({change.low:+.2f} to {change.high:+.2f})",
                flush=True,
            )


def _psnrs(pipeline: AnimatePipeline, pairs: list[Pair], way: tuple[str, int]) -> list[float]:
    """Moving-region PSNR of each pair."""
    return [_psnr(pipeline, pair, way, seed) for seed, pair in enumerate(pairs)]


def _psnr(pipeline: AnimatePipeline, pair: Pair, way: tuple[str, int], seed: int) -> float:
    result = pipeline(
        pair.source(),
        pair.driving_poses(),
        source_pose=pair.source_pose(),
        seed=seed,
        scheduler=way[0],
        num_inference_steps=way[1],
    )
    truth = pair.truth()
    return moving_region_psnr(result, truth, moving_region_mask(pair.source(), truth))


if __name__ == "__main__":
    main()
