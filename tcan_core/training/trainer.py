"""One training step, and the state of a run: parameters, optimiser, averaged weights."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from tcan_core.errors import ConfigError, NotFiniteError
from tcan_core.models.weights.keys import check_keys
from tcan_core.training.config import OptimizerConfig, RunConfig
from tcan_core.training.distributed import all_gather, build_accelerator, rank
from tcan_core.training.drawing import StepDrawing
from tcan_core.training.ema import WeightAverage
from tcan_core.training.optimizers import build_optimizer, learning_rate
from tcan_core.training.stage import Stage

log = logging.getLogger(__name__)


class Objective(nn.Module):
    """A stage's loss as one module that holds all trained parameters.

    DDP averages the gradients of parameters used in one module's forward pass. TCAN's networks
    exchange features through a bank, so only the loss as a whole shows which parameters were used.
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.trained = stage.trained
        self._stage = stage

    def forward(self, batch: Any) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a micro-batch, a scalar, and scalars to log.

        Shapes: see `Stage.loss`.
        """
        return self._stage.loss(batch)


class Trainer:
    """Parameters, optimiser and averaged weights of one run; the same in every process."""

    def __init__(self, stage: Stage, run: RunConfig, config: OptimizerConfig) -> None:
        self._stage, self.run, self.config = stage, run, config
        self.accelerator = build_accelerator(run, config)
        named = stage.trained.named_parameters()
        self.parameters = {name: value for name, value in named if value.requires_grad}
        optimizer = build_optimizer(list(self.parameters.values()), config, run.device)
        self.objective, self.optimizer = self.accelerator.prepare(Objective(stage), optimizer)
        self.average = WeightAverage(self.parameters, config.ema_decay)
        self.skipped: list[int] = []

    def step(
        self, step: int, batches: Sequence[Any], stop: bool = False
    ) -> tuple[dict[str, float], bool]:
        """Run one optimiser step over all micro-batches of all processes.

        Args:
            step: index of the step, from 0.
            batches: this process's micro-batches, as `step_drawing` draws them.
            stop: whether this process received SIGTERM.

        Returns:
            Scalars to log, as means over the global batch, and whether any process received
            SIGTERM; both are the same in every process.

        Raises:
            NotFiniteError: the loss or the gradient is not finite, and no step may be skipped any
                more; in every process, with the parameters of the previous step.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(step)

        # Losses and gradients of this process's share of the global batch.
        logged: list[dict[str, float]] = []
        for batch in batches:
            with self.accelerator.accumulate(self.objective):
                loss, scalars = self.objective(batch)
                self.accelerator.backward(loss)
            logged.append({"loss": float(loss.detach())} | scalars)

        # DDP has averaged the gradients, so the optimiser's step is the same in all processes.
        norm = self.accelerator.clip_grad_norm_(self.parameters.values(), self.config.max_grad_norm)
        means, any_stop = self._all_reduce(logged, stop)
        if not math.isfinite(means["loss"]) or self._has_diverged(float(norm)):
            self._skip(step, [scalars["loss"] for scalars in logged], float(norm))
            self.optimizer.zero_grad()  # a step without gradients changes no parameter
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update(step)

        rate = self.learning_rate(step)
        return means | {"grad_norm": float(norm), "learning_rate": rate}, any_stop

    def step_drawing(self) -> StepDrawing:
        """Return the drawing of this process's micro-batches; the stage's data must be open."""
        processes = self.accelerator
        return StepDrawing(
            self._stage.drawing,
            self.run.seed,
            self.run.batch_size,
            self.config.accumulation_steps,
            processes.num_processes,
            processes.process_index,
        )

    @property
    def global_batch(self) -> int:
        """Samples of one step in all processes."""
        processes = self.accelerator.num_processes
        return int(self.run.batch_size * self.config.accumulation_steps * processes)

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step, from 0."""
        return learning_rate(self.config, step, self.run.steps)

    def exported_weights(self) -> AbstractContextManager[None]:
        """Return a context in which the parameters are the averaged ones, if averages are kept."""
        return self.average.applied() if self.config.ema_decay else nullcontext()

    def state(self, step: int) -> dict[str, Any]:
        """Return the state needed to resume after `step` steps."""
        scaler = self.accelerator.scaler
        return {
            "step": step,
            "parameters": {name: value.detach() for name, value in self.parameters.items()},
            "average": self.average.averages,
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler else {},
            "skipped": list(self.skipped),
            "global_batch": self.global_batch,
        }

    def load(self, state: dict[str, Any], where: str) -> int:
        """Restore a state that `state` returned, and return its step.

        Args:
            where: name of its file, for error messages.

        Raises:
            WeightsError: the state belongs to other parameters.
            ConfigError: the steps of its run have another number of samples.
        """
        size = state.get("global_batch", self.global_batch)  # earlier releases wrote none
        if size != self.global_batch:
            raise ConfigError(
                f"{where}: the run's steps have {size} samples, but batch_size "
                f"{self.run.batch_size} x accumulation_steps {self.config.accumulation_steps} x "
                f"{self.accelerator.num_processes} processes are {self.global_batch}; change these "
                f"so that they give {size}"
            )
        check_keys(where, self.parameters, state["parameters"])
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(state["parameters"][name])
        self.average.load(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        # Moments on the CPU, and step counts on any device, would share the checkpoint's memory.
        for moments in self.optimizer.state.values():
            moments |= {name: value.clone() for name, value in moments.items() if _on_cpu(value)}
        if self.accelerator.scaler:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.skipped = list(state.get("skipped", []))  # earlier releases wrote none
        return int(state["step"])

    def check_finite(self) -> None:
        """Raise NotFiniteError if a parameter or an average is not finite."""
        for name, value in self.parameters.items():
            for one in (value.detach(), self.average.averages[name]):
                if not bool(torch.isfinite(one).all()):
                    raise NotFiniteError(
                        f"the trained weight {name} is no longer finite; the last checkpoint is "
                        "kept. Lower `optimizer.learning_rate` and continue with --resume"
                    )

    def _has_diverged(self, norm: float) -> bool:
        """Return whether a gradient norm is not finite for another reason than fp16's range.

        After an overflow the scaler of fp16 skips the step and halves its scale.
        """
        scaler = self.accelerator.scaler
        return not math.isfinite(norm) and (scaler is None or scaler.get_scale() < 1)

    def _skip(self, step: int, losses: list[float], norm: float) -> None:
        """Note and log a step whose loss or gradient is not finite.

        Args:
            losses: losses of this process's micro-batches.

        Raises:
            NotFiniteError: `max_skipped_steps` steps have been skipped.
        """
        drawing = self.step_drawing()
        bad = [
            (list(drawing.indices(index)), drawing.names(step, index))
            for index, loss in enumerate(losses)
            if not math.isfinite(loss)
        ]
        found = [one for of_process in all_gather(bad) for one in of_process]
        samples = sorted(index for indices, _ in found for index in indices)
        clips = ", ".join(sorted({clip for _, names in found for clip in names}))
        what = f"the gradient (norm {norm})"
        if samples:
            what = f"the loss of samples {samples} (clips: {clips})"
        message = (
            f"step {step + 1}: {what} is not finite, in a batch of {self.global_batch} samples "
            f"with seed {self.run.seed}"
        )
        limit = self.config.max_skipped_steps
        if len(self.skipped) >= limit:
            raise NotFiniteError(
                f"{message}; {len(self.skipped)} steps were skipped before, allowed are {limit} "
                "(optimizer.max_skipped_steps)"
            )
        self.skipped.append(step + 1)
        if rank() == 0:
            log.warning("%s; skipped, %d of at most %d", message, len(self.skipped), limit)

    def _all_reduce(
        self, logged: list[dict[str, float]], stop: bool
    ) -> tuple[dict[str, float], bool]:
        """Return the mean scalars over all processes, and whether any process must stop."""
        means = {name: sum(one[name] for one in logged) / len(logged) for name in logged[0]}
        if self.accelerator.num_processes == 1:
            return means, stop
        values = [*means.values(), float(stop)]
        local = torch.tensor(values, dtype=torch.float64, device=self.accelerator.device)
        *reduced, stops = self.accelerator.reduce(local, "mean").tolist()
        return dict(zip(means, reduced, strict=True)), stops > 0


def _on_cpu(value: object) -> bool:
    return isinstance(value, Tensor) and value.device.type == "cpu"
