"""The denoising loop: predict window by window, fuse, step the scheduler once for the video."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from tcan_core.distributed.process_group import ProcessGroup, SingleProcess
from tcan_core.errors import CanceledError, CheckpointError, ParameterError
from tcan_core.sampling.fusion import FusionKind, WindowFuser
from tcan_core.sampling.schedulers import (
    PredictionType,
    Scheduler,
    alpha_bar_at,
    convert_prediction,
    takes_generator,
)
from tcan_core.sampling.state import DenoiseState, capture

# From the latents of n windows, (n * b, c, f, h, w) window after window, the timestep, (), and the
# n windows' frame indices to a prediction of the latents' shape.
Predict = Callable[[Tensor, Tensor, list[list[int]]], Tensor]


@dataclass(frozen=True)
class DenoiseProgress:
    """Where the loop stands.

    Attributes:
        step: the current step, 1..steps.
        steps: how often the network sees every window.
        window: windows done in this step, 1..windows.
        windows: windows per step.
        preview: when called, returns the network's guess of the result at the last complete step,
            (b, c, F, h, w) float32, or None before the first.
        state: after a step's last window, returns what a run needs to go on from here; else None,
            as behind a step after which `predict` remembers more. Valid during the call that
            brings it.
    """

    step: int
    steps: int
    window: int
    windows: int
    preview: Callable[[], Tensor | None]
    state: Callable[[], DenoiseState] | None = None

    @property
    def fraction(self) -> float:
        """0..1 of the work done."""
        return ((self.step - 1) * self.windows + self.window) / (self.steps * self.windows)


ProgressCallback = Callable[[DenoiseProgress], None]


@torch.no_grad()
def denoise(
    predict: Predict,
    noise: Tensor,
    scheduler: Scheduler,
    windows: Sequence[Sequence[int]],
    *,
    prediction_type: PredictionType,
    fusion: FusionKind = "pyramid",
    window_batch: int = 1,
    seed: int = 0,
    progress: ProgressCallback | None = None,
    canceled: Callable[[], bool] | None = None,
    resume: DenoiseState | None = None,
    group: ProcessGroup | None = None,
    state_every: int = 1,
) -> Tensor:
    """Turn noise into latents, (b, c, F, h, w) float32.

    Shapes: b batch, c latent channels, f frames in a window, F frames in the video, h w latent size

    The host holds the whole video; `predict` moves a batch of windows to its device and back.

    Args:
        predict: the network with its guidance.
        noise: (b, c, F, h, w), unit variance.
        scheduler: fresh from `build_scheduler`.
        windows: frame indices of each window, all of one length, in the order of work.
        prediction_type: what `predict` returns.
        fusion: how overlapping windows are weighted.
        window_batch: windows per call, at least 1; changes nothing but the network's rounding.
        seed: of the noise that ancestral schedulers add at each step.
        progress: called after every round of batches; a step's last follows the scheduler's step.
        canceled: asked before every round; one process's wish is all's.
        resume: where an earlier run of the same arguments was broken off; the end is the same.
        group: processes that share the windows; all call with the same arguments, and get what one
            alone would get.
        state_every: steps, counted from the first, after which `predict` remembers nothing of those
            before, so that a run can go on from there.

    Raises:
        CanceledError: `canceled` returned True.
        CheckpointError: `resume` belongs to another kind of run, or to a step behind which this
            one offers no state.
        ContextWindowError: a frame is covered by no window.
        ParameterError: `window_batch` is below 1.
    """
    group, steps = group or SingleProcess(), len(scheduler.timesteps)
    if resume is not None and resume.step % state_every and resume.step != steps:
        raise CheckpointError(
            f"the checkpoint is of step {resume.step}; this run can go on behind every"
            f" {state_every} steps only"
        )
    rounds = _rounds(len(windows), window_batch, group.world_size)
    run = _Run(noise, scheduler, seed, resume)
    del noise  # a long video's is large, and needed no more
    for step, timestep in list(enumerate(scheduler.timesteps, 1))[run.step :]:
        model_input = scheduler.scale_model_input(run.latents, timestep)
        fuser = WindowFuser(windows, run.latents.shape, fusion)
        for batches in rounds:
            if group.all_reduce_any(canceled is not None and canceled()):
                raise CanceledError(
                    f"canceled at step {step} of {steps}, window {batches[0][0] + 1}"
                )
            _predict_round(predict, model_input, timestep, windows, batches, fuser, group)
            if is_last := batches is rounds[-1]:
                run.advance(timestep, model_input, fuser.result(), prediction_type)
            if progress is not None:
                place = (step, steps, batches[-1][-1] + 1, len(windows))
                has_state = is_last and (step % state_every == 0 or step == steps)
                progress(DenoiseProgress(*place, run.preview, run.state if has_state else None))
    return run.latents


class _Run:
    """The latents on their way, with what the scheduler and its generator remember."""

    def __init__(
        self, noise: Tensor, scheduler: Scheduler, seed: int, resume: DenoiseState | None
    ) -> None:
        self.scheduler = scheduler
        self.generator = torch.Generator().manual_seed(seed) if takes_generator(scheduler) else None
        self.fresh = dict(vars(scheduler))
        self.latents, self.step = noise.float().cpu() * scheduler.init_noise_sigma, 0
        self.preview: Callable[[], Tensor | None] = _nothing_yet
        if resume is not None:
            self.latents = resume.restore(scheduler, self.generator, noise.shape)
            self.step = resume.step

    def advance(
        self, timestep: Tensor, model_input: Tensor, value: Tensor, prediction_type: PredictionType
    ) -> None:
        """Take the scheduler's step by the network's prediction for the whole video."""
        alpha_bar = alpha_bar_at(self.scheduler, timestep)
        guess = _Prediction(value, model_input, alpha_bar, prediction_type)
        noise_pred = guess.convert(self.scheduler.config.prediction_type)
        options = {} if self.generator is None else {"generator": self.generator}
        stepped = self.scheduler.step(noise_pred, timestep, self.latents, **options)
        self.latents, self.preview = stepped.prev_sample, guess.x0
        self.step += 1

    def state(self) -> DenoiseState:
        return capture(self.step, self.latents, self.scheduler, self.fresh, self.generator)


@dataclass(frozen=True)
class _Prediction:
    """What the network says about the whole video at one step."""

    value: Tensor
    model_input: Tensor
    alpha_bar: float
    prediction_type: PredictionType

    def convert(self, target: PredictionType) -> Tensor:
        return convert_prediction(
            self.value, self.model_input, self.alpha_bar, self.prediction_type, target
        )

    def x0(self) -> Tensor:
        return self.convert("sample")


def _nothing_yet() -> None:
    return None


def _rounds(num_windows: int, window_batch: int, ranks: int) -> list[list[range]]:
    """The windows in order, cut into batches, and these into rounds of one batch per process."""
    if window_batch < 1:
        raise ParameterError(f"window_batch is {window_batch}; it must be at least 1")
    firsts = range(0, num_windows, window_batch)
    batches = [range(first, min(first + window_batch, num_windows)) for first in firsts]
    return [batches[first : first + ranks] for first in range(0, len(batches), ranks)]


def _predict_round(
    predict: Predict,
    model_input: Tensor,
    timestep: Tensor,
    windows: Sequence[Sequence[int]],
    batches: list[range],
    fuser: WindowFuser,
    group: ProcessGroup,
) -> None:
    """Predict this process's batch, and fuse the batches of all."""
    mine = None
    if group.rank < len(batches):
        chosen = [list(windows[index]) for index in batches[group.rank]]
        latents = torch.cat([model_input[:, :, window] for window in chosen])  # (n * b, c, f, h, w)
        mine = predict(latents, timestep, chosen)
    batch, channels, _, height, width = model_input.shape
    of_window = (channels, len(windows[0]), height, width)
    shapes = [(len(indices) * batch, *of_window) for indices in batches]
    for indices, noise_pred in zip(batches, group.all_gather(mine, shapes), strict=True):
        for index, part in zip(indices, noise_pred.chunk(len(indices)), strict=True):
            fuser.add(index, part)
