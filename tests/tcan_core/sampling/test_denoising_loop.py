from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tcan_core.errors import CanceledError, ParameterError
from tcan_core.progress import AnimateProgress
from tcan_core.sampling.context_windows import context_windows
from tcan_core.sampling.denoising_loop import DenoisingLoop, Predict
from tcan_core.sampling.noise import initial_noise
from tcan_core.sampling.schedulers import build_scheduler
from tests.tcan_core.sampling.perfect import PerfectPredictor, random_video

FRAMES = 40


def network(latents: Tensor, timestep: Tensor, windows: list[list[int]]) -> Tensor:
    """Predict (n, c, f, h, w) by a nonlinear function in which frames depend on their window."""
    mean = latents.mean(dim=2, keepdim=True)
    return torch.tanh(latents - 0.3 * mean) * (0.5 + timestep.float() / 2000)


def build(predict: Predict = network, scheduler: str = "dpm++2m", **options: Any) -> DenoisingLoop:
    windows = context_windows(FRAMES)
    return DenoisingLoop(predict, build_scheduler(scheduler, 4), windows, "epsilon", **options)


def run(loop: DenoisingLoop, **arguments: Any) -> Tensor:
    return loop.run(initial_noise(FRAMES, (4, 4, 4), seed=0), **arguments)


@pytest.mark.parametrize("window_batch", [2, 3, 16])
def test_window_batch_does_not_change_the_result(window_batch: int) -> None:
    assert torch.equal(run(build(window_batch=window_batch)), run(build(window_batch=1)))


def test_run_records_no_gradients() -> None:
    weight = torch.ones((), requires_grad=True)

    def predict(latents: Tensor, timestep: Tensor, windows: list[list[int]]) -> Tensor:
        return network(latents, timestep, windows) * weight

    assert not run(build(predict)).requires_grad


def test_same_seed_gives_same_latents() -> None:
    assert torch.equal(run(build()), run(build()))


def test_ancestral_noise_depends_on_the_seed() -> None:
    first, same, other = (
        run(build(scheduler="EulerAncestralDiscreteScheduler", seed=seed)) for seed in (1, 1, 2)
    )

    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_batch_of_videos_keeps_its_axis() -> None:
    noise = torch.cat([initial_noise(20, (4, 4, 4), seed) for seed in (0, 1)])
    windows = context_windows(20)

    def denoised(noise: Tensor, window_batch: int) -> Tensor:
        scheduler = build_scheduler("ddim", 3)
        loop = DenoisingLoop(network, scheduler, windows, "sample", window_batch=window_batch)
        return loop.run(noise)

    both = denoised(noise, window_batch=2)
    assert both.shape == noise.shape
    torch.testing.assert_close(both[1:], denoised(noise[1:], window_batch=1))


def test_every_step_predicts_every_window_once_in_order() -> None:
    scheduler = build_scheduler("ddim", 3)
    predictor = PerfectPredictor(random_video(FRAMES), scheduler, "epsilon")
    windows = context_windows(FRAMES)

    run(DenoisingLoop(predictor, scheduler, windows, "epsilon", window_batch=2))

    assert predictor.batches == 3 * [windows[:2], windows[2:]]


def test_flat_and_pyramid_fusion_differ() -> None:
    assert not torch.allclose(run(build(fusion="flat")), run(build(fusion="pyramid")))


def test_progress_counts_windows_and_reaches_one() -> None:
    seen: list[AnimateProgress] = []
    run(build(), progress=seen.append)

    assert [(event.step, event.window) for event in seen] == [
        (step, window) for step in (1, 2, 3, 4) for window in (1, 2, 3)
    ]
    assert all((event.steps, event.windows) == (4, 3) for event in seen)
    fractions = [event.fraction for event in seen]
    assert fractions == sorted(set(fractions))
    assert fractions[-1] == 1.0


def test_preview_is_the_predicted_result() -> None:
    scheduler = build_scheduler("ddim", 3)
    predictor = PerfectPredictor(random_video(20), scheduler, "epsilon")
    seen: list[AnimateProgress] = []

    loop = DenoisingLoop(predictor, scheduler, context_windows(20), "epsilon")
    loop.run(initial_noise(20, (4, 4, 4), 0), seen.append)

    assert seen[0].preview() is None
    for event in seen[1:]:
        preview = event.preview()
        assert preview is not None
        torch.testing.assert_close(preview, predictor.x0, atol=1e-3, rtol=0)


def test_cancel_stops_before_the_next_window() -> None:
    seen: list[AnimateProgress] = []

    with pytest.raises(CanceledError, match="step 2 of 4, window 3"):
        run(build(), progress=seen.append, is_canceled=lambda: len(seen) == 5)

    assert (seen[-1].step, seen[-1].window) == (2, 2)


def test_latents_are_float32_if_the_network_returns_bfloat16() -> None:
    def predict(latents: Tensor, timestep: Tensor, windows: list[list[int]]) -> Tensor:
        return network(latents, timestep, windows).bfloat16()

    assert run(build(predict)).dtype == torch.float32


def test_window_batch_below_one_is_rejected() -> None:
    with pytest.raises(ParameterError, match="window_batch is 0"):
        build(window_batch=0)
