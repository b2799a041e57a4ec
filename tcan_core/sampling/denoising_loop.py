"""The denoising loop: predict all windows, fuse them, take one scheduler step for the video."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from tcan_core.distributed.process_group import ProcessGroup, SingleProcess
from tcan_core.errors import CanceledError, CheckpointError, ParameterError
from tcan_core.progress import AnimateProgress, ProgressCallback
from tcan_core.sampling.fusion import FusionKind, WindowFuser
from tcan_core.sampling.schedulers import (
    PredictionType,
    Scheduler,
    alpha_bar_at,
    convert_prediction,
    takes_generator,
)
from tcan_core.sampling.state import DenoiseState, capture

# Takes the latents of n windows, (n * b, c, f, h, w) window after window, the timestep, (), and the
# frame indices of the n windows; returns a prediction of the latents' shape.
Predict = Callable[[Tensor, Tensor, list[list[int]]], Tensor]


@dataclass(frozen=True)
class DenoisingLoop:
    """The denoising loop of one video; for one run, since the scheduler keeps state.

    Attributes:
        predict: the network, with guidance.
        scheduler: a fresh one from `build_scheduler`.
        windows: frame indices of each window, all of one length.
        prediction_type: what `predict` returns.
        fusion: weights of overlapping windows.
        window_batch: windows per call of `predict`, at least 1.
        seed: seed of the noise that ancestral schedulers add.
        state_interval: steps between checkpoints; after each, `predict` must depend on no earlier
            step.
        group: processes that share the windows; all run the same loop and get the same result.
        begin_step: called before the windows of a step with the network's input for the whole
            video, (b, c, F, h, w) on the host, and the timestep, ().
    """

    predict: Predict
    scheduler: Scheduler
    windows: Sequence[Sequence[int]]
    prediction_type: PredictionType
    fusion: FusionKind = "pyramid"
    window_batch: int = 1
    seed: int = 0
    state_interval: int = 1
    group: ProcessGroup = field(default_factory=SingleProcess)
    begin_step: Callable[[Tensor, Tensor], None] = lambda latents, timestep: None

    def __post_init__(self) -> None:
        if self.window_batch < 1:
            raise ParameterError(f"window_batch is {self.window_batch}; it must be at least 1")

    @torch.no_grad()
    def run(
        self,
        noise: Tensor,
        progress: ProgressCallback | None = None,
        is_canceled: Callable[[], bool] | None = None,
        resume: DenoiseState | None = None,
    ) -> Tensor:
        """Turn noise into latents, both (b, c, F, h, w) float32 on the host.

        Shapes: b batch, c latent channels, F frames in the video, h w latent size

        Args:
            noise: unit variance.
            progress: called after every round of batches; after a step's last, the scheduler has
                taken its step.
            is_canceled: called before every round; True in one process cancels all.
            resume: checkpoint of an earlier run with the same arguments; the result is the same.

        Raises:
            CanceledError: `is_canceled` returned True.
            CheckpointError: `resume` belongs to another kind of run, or to a step after which this
                loop has no checkpoint.
            ContextWindowError: no window covers some frame.
        """
        steps, rounds = len(self.scheduler.timesteps), self._rounds()
        if resume is not None and not self._has_state(resume.step):
            raise CheckpointError(
                f"the checkpoint is of step {resume.step}; this run can only resume after every"
                f" {self.state_interval} steps"
            )
        run = _Run(noise, self.scheduler, self.seed, resume)
        del noise  # may be large
        for step, timestep in list(enumerate(self.scheduler.timesteps, 1))[run.step :]:
            model_input = self.scheduler.scale_model_input(run.latents, timestep)
            self.begin_step(model_input, timestep)
            fuser = WindowFuser(self.windows, run.latents.shape, self.fusion)
            for batches in rounds:
                if self.group.all_reduce_any(is_canceled is not None and is_canceled()):
                    raise CanceledError(
                        f"canceled at step {step} of {steps}, window {batches[0][0] + 1}"
                    )
                noise_pred = None
                if self.group.rank < len(batches):
                    chosen = [list(self.windows[index]) for index in batches[self.group.rank]]
                    latents = torch.cat([model_input[:, :, window] for window in chosen])
                    noise_pred = self.predict(latents, timestep, chosen)  # (n * b, c, f, h, w)
                self._fuse(noise_pred, batches, fuser, model_input.shape)
                if is_last := batches is rounds[-1]:
                    run.advance(timestep, model_input, fuser.result(), self.prediction_type)
                if progress is not None:
                    done, total = batches[-1][-1] + 1, len(self.windows)
                    position = step, steps, done, total, ((step - 1) * total + done) / steps / total
                    state = run.state if is_last and self._has_state(step) else None
                    progress(AnimateProgress("denoise", *position, run.preview, state=state))
        return run.latents

    def _has_state(self, step: int) -> bool:
        return step % self.state_interval == 0 or step == len(self.scheduler.timesteps)

    def _rounds(self) -> list[list[range]]:
        """Cut the windows into batches, and these into rounds of one batch per process."""
        total, size, processes = len(self.windows), self.window_batch, self.group.world_size
        batches = [range(first, min(first + size, total)) for first in range(0, total, size)]
        return [batches[first : first + processes] for first in range(0, len(batches), processes)]

    def _fuse(
        self, noise_pred: Tensor | None, batches: list[range], fuser: WindowFuser, shape: torch.Size
    ) -> None:
        """Gather the batches of a round from all processes and fuse them, in order of windows.

        Args:
            noise_pred: (n * b, c, f, h, w), this process's batch; None if it has none.
            shape: (b, c, F, h, w) of the video.
        """
        batch, channels, _, height, width = shape
        window_shape = (channels, len(self.windows[0]), height, width)
        shapes = [(len(indices) * batch, *window_shape) for indices in batches]
        gathered = self.group.all_gather(noise_pred, shapes)
        for indices, of_batch in zip(batches, gathered, strict=True):
            for index, of_window in zip(indices, of_batch.chunk(len(indices)), strict=True):
                fuser.add(index, of_window)


class _Run:
    """The latents between steps, with the state of the scheduler and its generator."""

    def __init__(
        self, noise: Tensor, scheduler: Scheduler, seed: int, resume: DenoiseState | None
    ) -> None:
        self.scheduler = scheduler
        self.generator = torch.Generator().manual_seed(seed) if takes_generator(scheduler) else None
        self.initial = dict(vars(scheduler))
        self.latents, self.step = noise.float().cpu() * scheduler.init_noise_sigma, 0
        self.preview: Callable[[], Tensor | None] = lambda: None
        if resume is not None:
            self.latents = resume.restore(scheduler, self.generator, noise.shape)
            self.step = resume.step

    def advance(
        self, timestep: Tensor, model_input: Tensor, value: Tensor, prediction_type: PredictionType
    ) -> None:
        """Take the scheduler's step with the network's prediction for the whole video."""
        alpha_bar = alpha_bar_at(self.scheduler, timestep)
        convert = partial(convert_prediction, value, model_input, alpha_bar, prediction_type)
        noise_pred = convert(self.scheduler.config.prediction_type)
        options = {} if self.generator is None else {"generator": self.generator}
        stepped = self.scheduler.step(noise_pred, timestep, self.latents, **options)
        self.latents, self.preview = stepped.prev_sample, partial(convert, "sample")
        self.step += 1

    def state(self) -> DenoiseState:
        return capture(self.step, self.latents, self.scheduler, self.initial, self.generator)
