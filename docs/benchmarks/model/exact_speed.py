"""Exact accelerations compared with the plain form of the method, in one process.

    python docs/benchmarks/model/exact_speed.py [--rounds N] [--frames N] [--window-batch N]
                                                [--channels-last]

Random weights at widths (128, 256, 512, 512), 128x128 pixels, 48 frames in windows of 16 with
overlap 4, guidance 7.5, temperature on. The plain form predicts single windows, ours batches. Each
round measures one denoising step of both forms, in alternating order, in processor time; with one
thread (`OMP_NUM_THREADS=1`), other load on the machine has little effect. Then the floating-point
operations of one step are counted and compared with the speed of a matrix product.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from media.poses.keypoints import Pose
from tcan_core.conditioning.pose_maps import DrawnPoseMaps
from tcan_core.models.networks.tcan import Tcan
from tcan_core.models.runtime import RuntimeOptions, set_up
from tcan_core.pipelines.window_predictor import WindowPredictor
from tcan_core.puppets.world import FIRST_TEST_SEED, sample_scene
from tcan_core.sampling.context_windows import context_windows
from tcan_core.sampling.fusion import fuse_windows
from tests.tcan_core.plain_form import PlainTcan
from tests.tcan_core.random_tcan import random_tcan, wide_preset

SIDE, GUIDANCE, TAU, TIMESTEP = 128, 7.5, 3.0, torch.tensor(500)


class Forms:
    """One denoising step of a video, in both forms."""

    def __init__(self, frames: int, tcan: Tcan, options: RuntimeOptions, window_batch: int) -> None:
        scene = sample_scene(FIRST_TEST_SEED, frames, SIDE)
        poses: list[Pose] = scene.driving.poses(scene.motion)
        generator = torch.Generator().manual_seed(0)
        latent_side = SIDE // tcan.codec.factor
        shape = (tcan.codec.latent_channels, latent_side, latent_side)
        self.source = torch.randn(1, *shape, generator=generator)
        self.latents = torch.randn(1, shape[0], frames, *shape[1:], generator=generator)
        self.windows = context_windows(frames)
        self.maps, self.window_batch = DrawnPoseMaps(poses), window_batch
        plain: Any = PlainTcan(tcan)  # before `set_up`: without the options
        set_up(tcan, options)
        self.predict, self.predict_plainly = (
            WindowPredictor(form, self.source, self.maps, TAU, GUIDANCE) for form in (tcan, plain)
        )

    def ours(self) -> Tensor:
        """Run a step of the accelerated form."""
        return self._step(self.predict, self.window_batch)

    def plain(self) -> Tensor:
        """Run a step of the plain form."""
        return self._step(self.predict_plainly, 1)

    def _step(self, predict: WindowPredictor, batch: int) -> Tensor:
        predict.forget_reference()  # as at every step of a run
        predictions = []
        for first in range(0, len(self.windows), batch):
            windows = self.windows[first : first + batch]
            latents = torch.cat([self.latents[:, :, window] for window in windows])
            predictions.append(predict(latents, TIMESTEP, windows))
        by_window = torch.cat(predictions)[:, None]
        return fuse_windows(by_window, self.windows, self.latents.shape[2])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--window-batch", type=int, default=1)
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--compile", action="store_true", help="torch.compile, accelerated form")
    args = parser.parse_args()
    options = RuntimeOptions(channels_last=args.channels_last, compile=args.compile)
    with torch.inference_mode():
        forms = Forms(args.frames, random_tcan(wide_preset()), options, args.window_batch)
        threads = torch.get_num_threads()
        print(f"{args.frames} frames, {len(forms.windows)} windows, {threads} threads")
        forms.ours(), forms.plain()  # the first step embeds the poses
        pairs, rate = [], 0.0
        for index in range(args.rounds):
            pairs.append(_pair(forms, swap=bool(index % 2)))
            rate = max(rate, _matrix_rate())
            print(f"  plain {pairs[-1][0]:.1f} s, ours {pairs[-1][1]:.1f} s", flush=True)
        ratios = [plain / ours for plain, ours in pairs]
        print(
            f"faster per step by {statistics.median(ratios):.2f} (median of {args.rounds} ratios,"
            f" {min(ratios):.2f} to {max(ratios):.2f}; wanted: at least 1.45)",
            flush=True,
        )
        (expected, plain_work), (result, our_work) = _counted(forms.plain), _counted(forms.ours)
        difference = float((result - expected).abs().max() / expected.abs().max())
        print(f"largest difference: {difference:.1e} of the largest value (wanted: at most 1e-4)")
        plain_s, ours_s = (min(column) for column in zip(*pairs, strict=True))
        _print_work("plain form", plain_work, plain_s, rate)
        _print_work("ours", our_work, ours_s, rate)


def _pair(forms: Forms, swap: bool) -> tuple[float, float]:
    """Return the processor seconds of a plain and of an accelerated step."""
    if swap:
        ours = _seconds(forms.ours)
        return _seconds(forms.plain), ours
    return _seconds(forms.plain), _seconds(forms.ours)


def _seconds(work: Callable[[], object]) -> float:
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


def _counted(step: Callable[[], Tensor]) -> tuple[Tensor, dict[str, int]]:
    """Return a step's result and its floating-point operations by kind."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        result = step()
    counts = counter.get_flop_counts()["Global"]
    return result, {str(kind): int(count) for kind, count in counts.items()}


def _print_work(name: str, counts: dict[str, int], step_s: float, rate: float) -> None:
    work = sum(counts.values())
    convolutions = sum(count for kind, count in counts.items() if "conv" in kind)
    print(
        f"{name}: {work / 1e9:.0f} GFLOP per step, {convolutions / work:.0%} in convolutions; at "
        f"the measured matrix rate of {rate / 1e9:.0f} GFLOP/s they take {work / rate:.1f} s, "
        f"{work / rate / step_s:.0%} of the fastest step"
    )


def _matrix_rate(side: int = 1024, seconds: float = 2.0) -> float:
    """Return the best floating-point operations per second of a float32 matrix product."""
    first, second = torch.randn(2, side, side)
    best_s, until_s = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < until_s:
        best_s = min(best_s, _seconds(lambda: first @ second))
    return float(2 * side**3 / best_s)


if __name__ == "__main__":
    main()
