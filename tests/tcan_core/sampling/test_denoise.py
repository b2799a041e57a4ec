import pytest
import torch
from torch import Tensor

from tcan_core.errors import CanceledError, ParameterError
from tcan_core.sampling.context_windows import context_windows
from tcan_core.sampling.denoise import DenoiseProgress, Predict, denoise
from tcan_core.sampling.noise import initial_noise
from tcan_core.sampling.schedulers import build_scheduler
from tests.tcan_core.sampling.perfect import PerfectPredictor, random_video


def network(latents: Tensor, timestep: Tensor, windows: list[list[int]]) -> Tensor:
    """A small nonlinear "network" whose frames attend to their window, (n, c, f, h, w)."""
    mean = latents.mean(dim=2, keepdim=True)
    return torch.tanh(latents - 0.3 * mean) * (0.5 + timestep.float() / 2000)


def run(predict: Predict = network, num_frames: int = 40, **options: object) -> Tensor:
    scheduler = build_scheduler(str(options.pop("scheduler", "dpm++2m")), 4)
    noise = initial_noise(num_frames, (4, 4, 4), seed=0)
    windows = context_windows(num_frames)
    return denoise(predict, noise, scheduler, windows, prediction_type="epsilon", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("window_batch", [2, 3, 16])
def test_the_batch_of_windows_changes_nothing(window_batch: int) -> None:
    assert torch.equal(run(window_batch=window_batch), run(window_batch=1))


def test_the_same_seed_gives_the_same_latents() -> None:
    assert torch.equal(run(), run())


def test_ancestral_noise_comes_from_the_seed() -> None:
    first = run(scheduler="EulerAncestralDiscreteScheduler", seed=1)

    assert torch.equal(first, run(scheduler="EulerAncestralDiscreteScheduler", seed=1))
    assert not torch.equal(first, run(scheduler="EulerAncestralDiscreteScheduler", seed=2))


def test_the_batch_axis_is_kept() -> None:
    noise = torch.cat([initial_noise(20, (4, 4, 4), seed) for seed in (0, 1)])
    windows = context_windows(20)

    def go(noise: Tensor, window_batch: int) -> Tensor:
        scheduler = build_scheduler("ddim", 3)
        return denoise(
            network, noise, scheduler, windows, prediction_type="sample", window_batch=window_batch
        )

    both = go(noise, window_batch=2)
    assert both.shape == noise.shape
    torch.testing.assert_close(both[1:], go(noise[1:], window_batch=1))


def test_every_step_sees_every_window_once_in_order() -> None:
    scheduler = build_scheduler("ddim", 3)
    predictor = PerfectPredictor(random_video(40), scheduler, "epsilon")
    windows = context_windows(40)

    denoise(
        predictor,
        initial_noise(40, (4, 4, 4), 0),
        scheduler,
        windows,
        prediction_type="epsilon",
        window_batch=2,
    )

    assert predictor.batches == 3 * [windows[:2], windows[2:]]


def test_flat_and_pyramid_fusion_differ() -> None:
    assert not torch.allclose(run(fusion="flat"), run(fusion="pyramid"))


def test_progress_grows_to_one_and_counts_windows() -> None:
    seen: list[DenoiseProgress] = []
    run(progress=seen.append)

    assert [(event.step, event.window) for event in seen] == [
        (step, window) for step in (1, 2, 3, 4) for window in (1, 2, 3)
    ]
    assert all((event.steps, event.windows) == (4, 3) for event in seen)
    fractions = [event.fraction for event in seen]
    assert fractions == sorted(set(fractions))
    assert fractions[-1] == 1.0


def test_preview_is_the_networks_guess_of_the_result() -> None:
    scheduler = build_scheduler("ddim", 3)
    predictor = PerfectPredictor(random_video(20), scheduler, "epsilon")
    seen: list[DenoiseProgress] = []

    denoise(
        predictor,
        initial_noise(20, (4, 4, 4), 0),
        scheduler,
        context_windows(20),
        prediction_type="epsilon",
        progress=seen.append,
    )

    assert seen[0].preview() is None
    for event in seen[1:]:
        preview = event.preview()
        assert preview is not None
        torch.testing.assert_close(preview, predictor.x0, atol=1e-3, rtol=0)


def test_cancelling_stops_before_the_next_window() -> None:
    seen: list[DenoiseProgress] = []

    with pytest.raises(CanceledError, match="step 2 of 4, window 3"):
        run(progress=seen.append, canceled=lambda: len(seen) == 5)

    assert (seen[-1].step, seen[-1].window) == (2, 2)


def test_latents_stay_in_single_precision_whatever_the_network_returns() -> None:
    def half(latents: Tensor, timestep: Tensor, windows: list[list[int]]) -> Tensor:
        return network(latents, timestep, windows).bfloat16()

    assert run(half).dtype == torch.float32


def test_a_batch_holds_at_least_one_window() -> None:
    with pytest.raises(ParameterError, match="window_batch is 0"):
        run(window_batch=0)
