from dataclasses import replace
from itertools import product
from typing import Any, get_args

import diffusers
import pytest
import torch
from diffusers.schedulers.scheduling_utils import AysSchedules

from tcan_core.errors import ParameterError
from tcan_core.models.weights.presets import load_preset
from tcan_core.sampling.context_windows import context_windows
from tcan_core.sampling.denoising_loop import DenoisingLoop
from tcan_core.sampling.noise import initial_noise
from tcan_core.sampling.schedulers import (
    NoiseSchedule,
    PredictionType,
    aligned_timesteps,
    alpha_bar_at,
    build_scheduler,
    convert_prediction,
    takes_generator,
    trailing_timesteps,
)
from tests.tcan_core.sampling.perfect import SCHEDULE, PerfectPredictor, random_video

PREDICTION_TYPES: tuple[PredictionType, ...] = get_args(PredictionType)
OTHER_SCHEDULERS = [
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LCMScheduler",
    "LMSDiscreteScheduler",
    "UniPCMultistepScheduler",
]


@pytest.mark.parametrize("prediction_type", PREDICTION_TYPES)
@pytest.mark.parametrize("name", ["ddim", "dpm++2m"])
def test_perfect_prediction_is_recovered_in_any_number_of_steps(
    name: str, prediction_type: PredictionType
) -> None:
    for steps in (*range(1, 26), 61):
        _assert_recovers(name, prediction_type, steps, tolerance=2e-4)


@pytest.mark.parametrize(
    ("name", "prediction_type"), [*product(OTHER_SCHEDULERS, PREDICTION_TYPES)]
)
def test_other_schedulers_of_diffusers_take_every_prediction_type(
    name: str, prediction_type: PredictionType
) -> None:
    for steps in (1, 4, 25):
        _assert_recovers(name, prediction_type, steps, tolerance=2e-3)


def _assert_recovers(
    name: str, prediction_type: PredictionType, steps: int, tolerance: float
) -> None:
    scheduler = build_scheduler(name, steps, replace(SCHEDULE, prediction_type=prediction_type))
    predictor = PerfectPredictor(random_video(3), scheduler, prediction_type)

    loop = DenoisingLoop(predictor, scheduler, context_windows(3), prediction_type)
    latents = loop.run(initial_noise(3, (4, 4, 4), seed=1))

    torch.testing.assert_close(latents, predictor.x0, atol=tolerance, rtol=0)


@pytest.mark.parametrize("steps", [1, 4, 10, 25, 50])
def test_ddim_equals_diffusers_if_the_steps_divide_the_schedule(steps: int) -> None:
    ours = build_scheduler("ddim", steps)
    theirs = build_scheduler("DDIMScheduler", steps)
    assert ours.timesteps.tolist() == theirs.timesteps.tolist()

    sample = expected = initial_noise(2, (4, 4, 4), seed=0)
    for timestep in ours.timesteps:
        sample = ours.step(_toy_network(sample), timestep, sample).prev_sample
        expected = theirs.step(_toy_network(expected), timestep, expected).prev_sample

    torch.testing.assert_close(sample, expected, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("steps", [1, 3, 7, 25, 50])
def test_leading_ddim_equals_diffusers_with_offset_1(steps: int) -> None:
    ours = build_scheduler("ddim", steps, spacing="leading")
    theirs = build_scheduler("DDIMScheduler", steps, spacing="leading")
    assert ours.timesteps.tolist() == theirs.timesteps.tolist()
    assert ours.timesteps[-1] == 1

    sample = expected = initial_noise(2, (4, 4, 4), seed=0)
    for timestep in ours.timesteps:
        sample = ours.step(_toy_network(sample), timestep, sample).prev_sample
        expected = theirs.step(_toy_network(expected), timestep, expected).prev_sample

    torch.testing.assert_close(sample, expected, atol=1e-3, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:__array_:DeprecationWarning")  # see `build_scheduler`
@pytest.mark.parametrize("steps", [4, 8])
def test_lightning_is_sampled_as_by_its_authors(steps: int) -> None:
    preset = load_preset(f"sd15-lightning{steps}")
    ours = build_scheduler(preset.sampling.scheduler, preset.sampling.num_inference_steps)
    euler: Any = diffusers.EulerDiscreteScheduler
    theirs = euler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="linear", timestep_spacing="trailing"
    )
    theirs.set_timesteps(steps)

    _assert_same_steps(ours, theirs)
    # Order 1 of the solver is Euler's method; only its initial noise is not scaled (by 0.9992).
    solver = build_scheduler("ddim", steps)
    assert solver.timesteps.tolist() == ours.timesteps.tolist()
    x0 = []
    for scheduler in (solver, build_scheduler("EulerDiscreteScheduler", steps)):
        sample = initial_noise(2, (4, 4, 4), seed=0) * scheduler.init_noise_sigma
        for timestep in scheduler.timesteps:
            network_input = scheduler.scale_model_input(sample, timestep)
            sample = scheduler.step(_toy_network(network_input), timestep, sample).prev_sample
        x0.append(sample)
    torch.testing.assert_close(x0[0], x0[1], atol=0.1, rtol=2e-3)


@pytest.mark.parametrize("steps", [4, 6, 8])
def test_animatelcm_skips_through_a_hundred_steps(steps: int) -> None:
    sampling = load_preset("sd15-animatelcm").sampling
    ours = build_scheduler(
        sampling.scheduler,
        steps,
        original_inference_steps=sampling.original_inference_steps,
    )
    lcm: Any = diffusers.LCMScheduler
    theirs = lcm(
        beta_start=0.00085, beta_end=0.012, beta_schedule="linear", original_inference_steps=100
    )
    theirs.set_timesteps(steps)

    _assert_same_steps(ours, theirs)
    assert ours.timesteps.tolist() != build_scheduler("lcm", steps).timesteps.tolist()


def _assert_same_steps(ours: Any, theirs: Any) -> None:
    """Check that two schedulers give the same bits, with the same noise between steps."""
    assert ours.timesteps.tolist() == theirs.timesteps.tolist()
    assert ours.init_noise_sigma == theirs.init_noise_sigma
    sample = expected = initial_noise(2, (4, 4, 4), seed=0) * theirs.init_noise_sigma
    mine, other = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    for timestep in theirs.timesteps:
        for scheduler, generator in ((ours, mine), (theirs, other)):
            value = sample if scheduler is ours else expected
            network_input = scheduler.scale_model_input(value, timestep)
            stepped = scheduler.step(
                _toy_network(network_input), timestep, value, generator=generator
            ).prev_sample
            if scheduler is ours:
                sample = stepped
            else:
                expected = stepped
        assert torch.equal(sample, expected)


def test_leading_timesteps_cannot_be_all() -> None:
    with pytest.raises(ParameterError, match="is 1000; with leading timesteps it must be less"):
        build_scheduler("ddim", 1000, spacing="leading")


@pytest.mark.parametrize("name", ["ddim", "dpm++2m", "ays", "lcm", "DDIMScheduler"])
@pytest.mark.parametrize("beta_schedule", ["linear", "scaled_linear"])
def test_zero_terminal_snr_recovers_a_perfect_velocity(name: str, beta_schedule: str) -> None:
    schedule = replace(
        SCHEDULE,
        prediction_type="v_prediction",
        beta_schedule=beta_schedule,
        rescale_betas_zero_snr=True,
    )
    scheduler = build_scheduler(name, 5, schedule)
    predictor = PerfectPredictor(random_video(3), scheduler, "v_prediction")

    loop = DenoisingLoop(predictor, scheduler, context_windows(3), "v_prediction")
    latents = loop.run(initial_noise(3, (4, 4, 4), seed=1))

    assert alpha_bar_at(scheduler, torch.tensor(999)) < 1e-6
    torch.testing.assert_close(latents, predictor.x0, atol=0.05, rtol=0)


def test_zero_terminal_snr_needs_a_scheduler_that_has_it() -> None:
    schedule = NoiseSchedule(prediction_type="v_prediction", rescale_betas_zero_snr=True)
    with pytest.raises(ParameterError, match="has no zero terminal SNR, as the preset needs"):
        build_scheduler("PNDMScheduler", 4, schedule)


def _toy_network(sample: torch.Tensor) -> torch.Tensor:
    return 0.9 * torch.tanh(sample) + 0.1


@pytest.mark.parametrize("steps", range(1, 1001, 7))
def test_timesteps_descend_from_the_last_trained_one(steps: int) -> None:
    timesteps = trailing_timesteps(steps)

    assert len(timesteps) == steps
    assert timesteps[0] == 999
    assert min(timesteps) >= 0
    assert all(after < before for before, after in zip(timesteps, timesteps[1:], strict=False))


def test_timesteps_for_25_steps_are_those_of_the_paper() -> None:
    assert trailing_timesteps(25) == list(range(999, 0, -40))
    assert build_scheduler("dpm++2m", 25).timesteps.tolist() == trailing_timesteps(25)


def test_noise_schedule_is_that_of_the_paper() -> None:
    scheduler = build_scheduler("ddim", 10)
    betas = torch.linspace(0.00085, 0.012, 1000, dtype=torch.float64)
    expected = torch.cumprod(1 - betas, 0)

    assert alpha_bar_at(scheduler, torch.tensor(0)) == pytest.approx(expected[0].item(), rel=1e-4)
    assert alpha_bar_at(scheduler, torch.tensor(999)) == pytest.approx(
        expected[-1].item(), rel=1e-3
    )


@pytest.mark.parametrize(("source", "target"), [*product(PREDICTION_TYPES, repeat=2)])
def test_conversion_can_be_reversed(source: PredictionType, target: PredictionType) -> None:
    prediction, sample = random_video(2, seed=1), random_video(2, seed=2)

    there = convert_prediction(prediction, sample, 0.3, source, target)
    back = convert_prediction(there, sample, 0.3, target, source)

    torch.testing.assert_close(back, prediction, atol=1e-5, rtol=1e-5)


def test_conversion_follows_the_definitions() -> None:
    x0, epsilon = random_video(2, seed=1), random_video(2, seed=2)
    scheduler_class: Any = diffusers.DDPMScheduler
    schedule = scheduler_class(**_betas(SCHEDULE))
    timestep = torch.tensor([700])
    alpha_bar = schedule.alphas_cumprod[700].item()
    sample = schedule.add_noise(x0, epsilon, timestep)
    velocity = schedule.get_velocity(x0, epsilon, timestep)

    said = convert_prediction(velocity, sample, alpha_bar, "v_prediction", "epsilon")
    torch.testing.assert_close(said, epsilon, atol=1e-4, rtol=1e-4)
    said = convert_prediction(epsilon, sample, alpha_bar, "epsilon", "sample")
    torch.testing.assert_close(said, x0, atol=1e-4, rtol=1e-4)


def _betas(schedule: NoiseSchedule) -> dict[str, Any]:
    return {
        "beta_start": schedule.beta_start,
        "beta_end": schedule.beta_end,
        "beta_schedule": schedule.beta_schedule,
    }


@pytest.mark.parametrize("name", ["euler", "EDMEulerScheduler", "UNet2DModel", "NoScheduler"])
def test_unknown_scheduler_is_rejected_with_the_known_ones(name: str) -> None:
    with pytest.raises(ParameterError, match=f"'{name}'; it must be 'ddim' or 'dpm"):
        build_scheduler(name, 10)


@pytest.mark.parametrize("steps", [0, -3, 1001])
def test_steps_out_of_range_are_rejected(steps: int) -> None:
    with pytest.raises(ParameterError, match=rf"num_inference_steps is {steps}; .* 1\.\.1000"):
        build_scheduler("ddim", steps)


def test_align_your_steps_interpolates_its_ten_timesteps() -> None:
    assert aligned_timesteps(10, NoiseSchedule()) == AysSchedules["StableDiffusionTimesteps"]
    four, twenty = (aligned_timesteps(steps, NoiseSchedule()) for steps in (4, 20))
    assert (four[0], four[-1], twenty[0], twenty[-1]) == (999, 24, 999, 24)
    assert twenty == sorted(set(twenty), reverse=True)
    with pytest.raises(ParameterError, match="num_inference_steps is 900; 'ays'"):
        build_scheduler("ays", 900)


def test_lcm_uses_its_own_timesteps_and_draws_noise() -> None:
    scheduler = build_scheduler("lcm", 4)
    assert scheduler.timesteps.tolist() == [999, 759, 499, 259]
    assert takes_generator(scheduler)
