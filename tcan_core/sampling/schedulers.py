"""Schedulers: the timesteps of a run, and the step that follows from a prediction.

`ddim` and `dpm++2m` are DPM-Solver++ of order 1 and 2 (order 1 equals DDIM with eta 0, to the last
digit where diffusers' `DDIMScheduler` is exact). `ays` is order 2 on the timesteps of "Align Your
Steps" for SD 1.5, made for at most ten steps. `lcm` is for weights with a merged LCM-LoRA, in 2 to
8 steps. Any other name is a class of diffusers.

Choices, for linear betas 0.00085..0.012 without zero terminal SNR:
- The default spacing is "trailing": the first timestep is 999, where training had a signal of 0.04
  and noise of 1.0, closest to the pure noise with which sampling starts. "leading" starts lower for
  fewer steps (501 for two), where the network expects an image; it is for weights whose own code
  uses it.
- The last step ends at zero noise. diffusers' `DDIMScheduler` computes its previous timestep by
  integer division and, for step counts such as 7, 15 or 24, stops at timestep 0 with 3 % noise;
  its trailing timesteps fall below 0 for others (61). The solver of order 1 takes explicit
  timesteps and replaces it.
- Nothing is clipped: latents have no fixed range.
"""

from __future__ import annotations

import inspect
import math
import warnings
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, cast

import diffusers
import numpy as np
from diffusers.schedulers.scheduling_utils import AysSchedules
from torch import Tensor

from tcan_core.errors import ParameterError

PredictionType = Literal["epsilon", "v_prediction", "sample"]
Spacing = Literal["trailing", "leading"]
SOLVER_ORDERS = {"ddim": 1, "dpm++2m": 2, "ays": 2}
OTHER_NAMES = {"lcm": "LCMScheduler"}
_OWN_NAMES = (*SOLVER_ORDERS, *OTHER_NAMES)


@dataclass(frozen=True)
class NoiseSchedule:
    """The noise schedule of training, and what the network predicts.

    Attributes:
        beta_schedule: "linear", or "scaled_linear" (linear square roots).
        rescale_betas_zero_snr: whether the last timestep is pure noise (zero terminal SNR); needs a
            network that predicts velocity or x0.
        prediction_type: "epsilon" (SD 1.5), "v_prediction" or "sample" (x0).
    """

    num_train_timesteps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012
    beta_schedule: str = "linear"
    prediction_type: PredictionType = "epsilon"
    rescale_betas_zero_snr: bool = False


class Scheduler(Protocol):
    """The part of a diffusers scheduler that the denoising loop uses; stateful, for one run."""

    config: Any
    timesteps: Tensor
    alphas_cumprod: Tensor
    init_noise_sigma: float | Tensor

    def scale_model_input(self, sample: Tensor, timestep: Tensor) -> Tensor:
        """Return the latents scaled as in training."""

    def step(self, model_output: Tensor, timestep: Tensor, sample: Tensor) -> Any:
        """Return an object whose `prev_sample` is the latents at the next timestep."""


def build_scheduler(
    name: str,
    num_inference_steps: int,
    schedule: NoiseSchedule = NoiseSchedule(),
    spacing: Spacing = "trailing",
    original_inference_steps: int = 50,
) -> Scheduler:
    """Return a fresh scheduler with its timesteps set, for one run.

    Classes of diffusers are built for epsilon, which all of them support; the denoising loop
    converts predictions. With zero terminal SNR, where epsilon says nothing about the image, they
    are built for the network's own prediction.

    Args:
        name: "ddim", "dpm++2m", "ays", "lcm", or the name of a diffusers scheduler class that takes
            betas.
        num_inference_steps: 1..num_train_timesteps; with leading spacing one less.
        spacing: positions of the timesteps; "ays" has its own.
        original_inference_steps: for "lcm": steps of the schedule that it skips through.

    Raises:
        ParameterError: the name is unknown, or the steps are out of range or too few for it.
    """
    maximum = schedule.num_train_timesteps
    if not 1 <= num_inference_steps <= maximum:
        raise ParameterError(
            f"num_inference_steps is {num_inference_steps}; it must lie in 1..{maximum}"
        )
    if spacing == "leading" and num_inference_steps == maximum:
        raise ParameterError(
            f"num_inference_steps is {num_inference_steps}; with leading timesteps it must be less"
        )
    with warnings.catch_warnings():
        # diffusers 0.42 passes tensors to numpy; numpy 2.4 warns about that:
        # https://numpy.org/devdocs/numpy_2_0_migration_guide.html
        warnings.filterwarnings("ignore", "__array_", DeprecationWarning)
        if name in SOLVER_ORDERS:
            return _solver(name, num_inference_steps, schedule, spacing)
        kind = OTHER_NAMES.get(name, name)
        options = {
            "timestep_spacing": spacing,
            "steps_offset": int(spacing == "leading"),
            "original_inference_steps": original_inference_steps,
        }
        return _diffusers_scheduler(kind, num_inference_steps, schedule, options)


def leading_timesteps(num_inference_steps: int, num_train_timesteps: int = 1000) -> list[int]:
    """Return evenly spaced timesteps, descending; 25 of 1000 are 961, 921, ..., 1."""
    ratio = num_train_timesteps // num_inference_steps
    return [ratio * left + 1 for left in reversed(range(num_inference_steps))]


def trailing_timesteps(num_inference_steps: int, num_train_timesteps: int = 1000) -> list[int]:
    """Return evenly spaced timesteps, descending; 25 of 1000 are 999, 959, ..., 39."""
    steps, total = num_inference_steps, num_train_timesteps
    return [(2 * total * left + steps) // (2 * steps) - 1 for left in range(steps, 0, -1)]


def aligned_timesteps(num_inference_steps: int, schedule: NoiseSchedule) -> list[int]:
    """Return the timesteps of "Align Your Steps" for SD 1.5, descending.

    Between its ten timesteps, the logarithms of noise levels are interpolated.

    Args:
        num_inference_steps: at most one per timestep between its last and its first.

    Raises:
        ParameterError: there are too many steps.

    Source: Align Your Steps, arXiv 2404.14507; the ten timesteps are diffusers' `AysSchedules`.
    """
    ten = np.array(AysSchedules["StableDiffusionTimesteps"])
    power = 2 if schedule.beta_schedule == "scaled_linear" else 1
    ends = schedule.beta_start ** (1 / power), schedule.beta_end ** (1 / power)
    betas = np.linspace(*ends, schedule.num_train_timesteps) ** power
    signal = np.cumprod(1 - betas)
    noise_levels = np.log(np.sqrt((1 - signal) / signal))
    positions = np.linspace(0, len(ten) - 1, num_inference_steps)
    levels = np.interp(positions, np.arange(len(ten)), noise_levels[ten])
    timesteps = np.rint(np.interp(levels, noise_levels, np.arange(len(betas)))).astype(int)
    if len(set(timesteps)) < num_inference_steps:
        raise ParameterError(
            f"num_inference_steps is {num_inference_steps}; 'ays' has fewer different timesteps"
        )
    return [int(timestep) for timestep in timesteps]


def convert_prediction(
    prediction: Tensor,
    sample: Tensor,
    alpha_bar: float,
    source: PredictionType,
    target: PredictionType,
) -> Tensor:
    """Convert a prediction to another parametrisation; all tensors have the same shape.

    Args:
        prediction: the network's output, of type `source`.
        sample: the network's input, `sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) epsilon`.
        alpha_bar: the signal's share of the variance, 0..1 exclusive.
    """
    if source == target:
        return prediction
    signal, noise = math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar)
    if source == "epsilon":
        x0 = (sample - noise * prediction) / signal
    elif source == "v_prediction":
        x0 = signal * sample - noise * prediction
    else:
        x0 = prediction
    if target == "sample":
        return x0
    epsilon = (sample - signal * x0) / noise
    return epsilon if target == "epsilon" else signal * epsilon - noise * x0


def alpha_bar_at(scheduler: Scheduler, timestep: Tensor) -> float:
    """Return the signal's share of the variance at any timestep, by interpolation."""
    alphas_cumprod = scheduler.alphas_cumprod.double().numpy()
    return float(np.interp(float(timestep), np.arange(len(alphas_cumprod)), alphas_cumprod))


def takes_generator(scheduler: Scheduler) -> bool:
    """Return whether the scheduler's step can draw noise."""
    return "generator" in inspect.signature(scheduler.step).parameters


def _is_supported(scheduler_class: Any) -> bool:
    """Return whether a step needs only the prediction, the timestep and the latents."""
    parameters = list(inspect.signature(scheduler_class.step).parameters.values())[1:]
    needed = [each.name for each in parameters if each.default is inspect.Parameter.empty]
    return needed == ["model_output", "timestep", "sample"]


def _solver(
    name: str, num_inference_steps: int, schedule: NoiseSchedule, spacing: Spacing
) -> Scheduler:
    solver_class: Any = diffusers.DPMSolverMultistepScheduler
    solver = solver_class(
        **asdict(schedule), solver_order=SOLVER_ORDERS[name], final_sigmas_type="zero"
    )
    if name == "ays":
        timesteps = aligned_timesteps(num_inference_steps, schedule)
    else:
        spaced = leading_timesteps if spacing == "leading" else trailing_timesteps
        timesteps = spaced(num_inference_steps, schedule.num_train_timesteps)
    solver.set_timesteps(timesteps=timesteps)
    return cast(Scheduler, solver)


def _diffusers_scheduler(
    name: str, num_inference_steps: int, schedule: NoiseSchedule, more: dict[str, Any]
) -> Scheduler:
    scheduler_class: Any = getattr(diffusers, name, None) if name.endswith("Scheduler") else None
    parameters = inspect.signature(scheduler_class).parameters if scheduler_class else {}
    if "beta_start" not in parameters or not _is_supported(scheduler_class):
        raise ParameterError(
            f"scheduler is {name!r}; it must be {' or '.join(map(repr, _OWN_NAMES))}"
            " or a diffusers scheduler class for a discrete beta schedule"
        )
    zero_snr = schedule.rescale_betas_zero_snr
    if zero_snr and "rescale_betas_zero_snr" not in parameters:
        raise ParameterError(
            f"scheduler is {name!r}, which has no zero terminal SNR, as the preset needs; "
            "use 'ddim'"
        )
    options = {
        **asdict(schedule),
        **more,
        "prediction_type": schedule.prediction_type if zero_snr else "epsilon",
        "clip_sample": False,
        "thresholding": False,
        "skip_prk_steps": True,  # as SD 1.5 runs PNDM
    }
    try:
        scheduler = scheduler_class(
            **{key: options[key] for key in options.keys() & parameters.keys()}
        )
        scheduler.set_timesteps(num_inference_steps)
    except (ImportError, ValueError, NotImplementedError) as error:
        raise ParameterError(f"{name} cannot run {num_inference_steps} steps: {error}") from error
    return cast(Scheduler, scheduler)
