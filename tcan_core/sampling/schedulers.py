"""Schedulers: which timesteps are visited, and how one step follows from a prediction.

`ddim` and `dpm++2m` are DPM-Solver++ of order 1 and 2 (order 1 is DDIM with eta 0, to the last
digit where diffusers' `DDIMScheduler` is exact). `ays` is order 2 on the timesteps of "Align Your
Steps" for SD 1.5, made for ten steps and fewer. `lcm` is for weights with an LCM-LoRA merged, in 2
to 8 steps. Any other name is a class of diffusers.

Choices, for linear betas 0.00085..0.012 without zero terminal SNR:
- The steps are "trailing": the first is timestep 999, where training saw a signal of 0.04 beside
  noise of 1.0, the nearest it has to the pure noise that sampling begins with. "leading" begins
  lower the fewer the steps (500 for two), where the network expects a picture that is not there.
- The last step goes to noise zero. diffusers' `DDIMScheduler` finds its previous timestep by
  integer division and, for step counts such as 7, 15 or 24, stops at timestep 0 with 3 % noise
  left; its trailing steps overrun below 0 for others (61). Hence the solver of order 1, which is
  given its timesteps, in its place.
- Nothing is clipped: latents are no pixels, and have no fixed range.
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
SOLVER_ORDERS = {"ddim": 1, "dpm++2m": 2, "ays": 2}
OTHER_NAMES = {"lcm": "LCMScheduler"}
_OWN_NAMES = (*SOLVER_ORDERS, *OTHER_NAMES)


@dataclass(frozen=True)
class NoiseSchedule:
    """How training mixed latents and noise, and what the network learned to predict.

    Attributes:
        prediction_type: "epsilon" (SD 1.5), "v_prediction" or "sample" (x0).
    """

    num_train_timesteps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012
    beta_schedule: str = "linear"
    prediction_type: PredictionType = "epsilon"


class Scheduler(Protocol):
    """What the denoising loop needs of a diffusers scheduler; it holds the state of one run."""

    config: Any
    timesteps: Tensor
    alphas_cumprod: Tensor
    init_noise_sigma: float | Tensor

    def scale_model_input(self, sample: Tensor, timestep: Tensor) -> Tensor:
        """Return the latents as the network saw them in training, variance kept."""
        ...

    def step(self, model_output: Tensor, timestep: Tensor, sample: Tensor) -> Any:
        """Return an object whose `prev_sample` are the latents at the next timestep."""
        ...


def build_scheduler(
    name: str, num_inference_steps: int, schedule: NoiseSchedule = NoiseSchedule()
) -> Scheduler:
    """Return a fresh scheduler with its timesteps set, for one run.

    Schedulers of diffusers other than `ddim` and `dpm++2m` are built for epsilon, which all of them
    know; the denoising loop converts.

    Args:
        name: "ddim", "dpm++2m", "ays", "lcm", or the name of a diffusers scheduler class that takes
            betas.
        num_inference_steps: 1..num_train_timesteps.
        schedule: of the network.

    Raises:
        ParameterError: unknown name, or the steps are out of range or too few for that scheduler.
    """
    most = schedule.num_train_timesteps
    if not 1 <= num_inference_steps <= most:
        raise ParameterError(
            f"num_inference_steps is {num_inference_steps}; it must lie in 1..{most}"
        )
    with warnings.catch_warnings():
        # diffusers 0.42 hands tensors to numpy, of which numpy 2.4 warns:
        # https://numpy.org/devdocs/numpy_2_0_migration_guide.html
        warnings.filterwarnings("ignore", "__array_", DeprecationWarning)
        if name in SOLVER_ORDERS:
            return _solver(name, num_inference_steps, schedule)
        return _diffusers_scheduler(OTHER_NAMES.get(name, name), num_inference_steps, schedule)


def trailing_timesteps(num_inference_steps: int, num_train_timesteps: int = 1000) -> list[int]:
    """Return evenly spaced timesteps, falling; 25 of 1000 are 999, 959, ..., 39."""
    steps, total = num_inference_steps, num_train_timesteps
    return [(2 * total * left + steps) // (2 * steps) - 1 for left in range(steps, 0, -1)]


def aligned_timesteps(num_inference_steps: int, schedule: NoiseSchedule) -> list[int]:
    """Return the timesteps of "Align Your Steps" for SD 1.5, falling; between its ten, noise levels
    are interpolated in their logarithm.

    Args:
        num_inference_steps: at most as many as there are different timesteps between its last and
            its first.

    Raises:
        ParameterError: the steps are too many.

    Source: Align Your Steps, arXiv 2404.14507; the ten timesteps are diffusers' `AysSchedules`.
    """
    ten = np.array(AysSchedules["StableDiffusionTimesteps"])
    betas = np.linspace(schedule.beta_start, schedule.beta_end, schedule.num_train_timesteps)
    signal = np.cumprod(1 - betas)
    noise_levels = np.log(np.sqrt((1 - signal) / signal))
    places = np.linspace(0, len(ten) - 1, num_inference_steps)
    wanted = np.interp(places, np.arange(len(ten)), noise_levels[ten])
    timesteps = np.rint(np.interp(wanted, noise_levels, np.arange(len(betas)))).astype(int)
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
    """Restate a prediction in another parametrisation; every tensor has one shape.

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
    """Return the signal's share of the variance at a timestep, trained or between trained ones."""
    alphas_cumprod = scheduler.alphas_cumprod.double().numpy()
    return float(np.interp(float(timestep), np.arange(len(alphas_cumprod)), alphas_cumprod))


def takes_generator(scheduler: Scheduler) -> bool:
    """Return whether the scheduler's step can draw noise."""
    return "generator" in inspect.signature(scheduler.step).parameters


def _steps_as_the_loop_does(scheduler_class: Any) -> bool:
    """Whether a step needs nothing but the prediction, the timestep and the latents."""
    parameters = list(inspect.signature(scheduler_class.step).parameters.values())[1:]
    needed = [each.name for each in parameters if each.default is inspect.Parameter.empty]
    return needed == ["model_output", "timestep", "sample"]


def _solver(name: str, num_inference_steps: int, schedule: NoiseSchedule) -> Scheduler:
    solver_class: Any = diffusers.DPMSolverMultistepScheduler
    solver = solver_class(
        **asdict(schedule), solver_order=SOLVER_ORDERS[name], final_sigmas_type="zero"
    )
    if name == "ays":
        timesteps = aligned_timesteps(num_inference_steps, schedule)
    else:
        timesteps = trailing_timesteps(num_inference_steps, schedule.num_train_timesteps)
    solver.set_timesteps(timesteps=timesteps)
    return cast(Scheduler, solver)


def _diffusers_scheduler(name: str, num_inference_steps: int, schedule: NoiseSchedule) -> Scheduler:
    scheduler_class: Any = getattr(diffusers, name, None) if name.endswith("Scheduler") else None
    known = inspect.signature(scheduler_class).parameters if scheduler_class else {}
    if "beta_start" not in known or not _steps_as_the_loop_does(scheduler_class):
        raise ParameterError(
            f"scheduler is {name!r}; it must be {' or '.join(map(repr, _OWN_NAMES))}"
            " or a diffusers scheduler class for a discrete beta schedule"
        )
    wanted = asdict(schedule) | {
        "prediction_type": "epsilon",
        "clip_sample": False,
        "thresholding": False,
        "timestep_spacing": "trailing",
        "skip_prk_steps": True,  # as SD 1.5 runs PNDM
    }
    try:
        scheduler = scheduler_class(**{key: wanted[key] for key in wanted.keys() & known.keys()})
        scheduler.set_timesteps(num_inference_steps)
    except (ImportError, ValueError, NotImplementedError) as error:
        raise ParameterError(f"{name} cannot run {num_inference_steps} steps: {error}") from error
    return cast(Scheduler, scheduler)
