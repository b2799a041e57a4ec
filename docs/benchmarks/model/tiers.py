"""What faster ways that are not exact cost in quality: preset `mini` on puppets it never saw.

    python docs/benchmarks/model/tiers.py [--pairs 8] [--frames 16]

Every way animates the same pairs with the same seeds; the reference is the same model in 25 steps
of DDIM. A cache interval of n lets the whole network run at every nth step only. Printed: processor
time beside the reference's, encoding and decoding included; PSNR on the moving region against the
truth, and its difference from the reference pair by pair, with a 95 % bootstrap interval; PSNR of
the whole picture against the reference.
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


class Way(NamedTuple):
    """How to be faster."""

    scheduler: str
    steps: int
    cache_interval: int = 1


class Result(NamedTuple):
    """What became of a pair."""

    frames: Frames
    psnr: float
    cpu_s: float


REFERENCE = Way("ddim", 25)
WAYS = [
    REFERENCE,
    Way("ddim", 25, 2),
    Way("ddim", 25, 3),
    Way("ddim", 25, 5),
    Way("ddim", 8),
    Way("ddim", 8, 2),
    Way("ddim", 4),
    Way("ddim", 4, 2),
    Way("ddim", 2),
    Way("dpm++2m", 8),
    Way("dpm++2m", 4),
    Way("dpm++2m", 2),
    Way("ays", 8),
    Way("ays", 4),
    Way("ays", 2),
    Way("lcm", 4),
    Way("lcm", 2),
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
        _animate(pipeline, pairs[0], Way("ddim", 2), 0)  # what is done once is nobody's time
        reference = _all(pipeline, pairs, REFERENCE)
        print("scheduler | steps | cache interval | time | moving-region PSNR, dB |"
              " against the reference, dB | PSNR to the reference, dB")  # fmt: skip
        for way in WAYS:
            results = reference if way == REFERENCE else _all(pipeline, pairs, way)
            _tell(way, results, reference)


def _tell(way: Way, results: list[Result], reference: list[Result]) -> None:
    """Print a row."""
    both = list(zip(results, reference, strict=True))
    change = bootstrap_interval([one.psnr - usual.psnr for one, usual in both])
    time_part = sum(one.cpu_s for one in results) / sum(usual.cpu_s for usual in reference)
    alike = np.mean([psnr(one.frames, usual.frames) for one, usual in both])
    print(
        f"{way.scheduler} | {way.steps} | {way.cache_interval} | {time_part:.2f}"
        f" | {np.mean([one.psnr for one in results]):.2f} | {change.mean:+.2f}"
        f" ({change.low:+.2f} to {change.high:+.2f}) | {alike:.1f}",
        flush=True,
    )


def _all(pipeline: AnimatePipeline, pairs: list[Pair], way: Way) -> list[Result]:
    return [_animate(pipeline, pair, way, seed) for seed, pair in enumerate(pairs)]


def _animate(pipeline: AnimatePipeline, pair: Pair, way: Way, seed: int) -> Result:
    began_s = time.process_time()
    frames = pipeline(
        pair.source(),
        pair.driving_poses(),
        source_pose=pair.source_pose(),
        seed=seed,
        scheduler=way.scheduler,
        num_inference_steps=way.steps,
        cache_interval=way.cache_interval,
    )
    cpu_s, truth = time.process_time() - began_s, pair.truth()
    found = moving_region_psnr(frames, truth, moving_region_mask(pair.source(), truth))
    return Result(frames, found, cpu_s)


if __name__ == "__main__":
    main()
