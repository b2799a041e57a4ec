"""The state of a run, and one step of it: parameters, optimiser, averaged weights."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from tcan_core.models.weights.keys import check_keys
from tcan_core.training.config import OptimizerConfig, RunConfig
from tcan_core.training.distributed import build_accelerator
from tcan_core.training.ema import WeightAverage
from tcan_core.training.optimizers import build_optimizer
from tcan_core.training.samples import Samples, draw_samples
from tcan_core.training.stage import Stage


class Objective(nn.Module):
    """A stage's loss as a module that holds all that learns, whichever network it is part of.

    DDP averages what the forward pass of one module used; TCAN's networks call each other through
    a bank of features, so that the loss alone shows which parameters took part.
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.trained = stage.trained
        self._stage = stage

    def forward(self, samples: Samples) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of a micro-batch (a scalar) and what to log."""
        return self._stage.loss(samples)


class StepResult(NamedTuple):
    """What a step tells, the same in every process.

    Attributes:
        scalars: for the log, means over the global batch.
        leave: whether a process was asked to leave.
    """

    scalars: dict[str, float]
    leave: bool


class Trainer:
    """Parameters, optimiser and average of one run, in every process alike."""

    def __init__(self, stage: Stage, run: RunConfig, config: OptimizerConfig) -> None:
        self.run, self.config = run, config
        self.accelerator = build_accelerator(run, config)
        named = stage.trained.named_parameters()
        self.parameters = {name: value for name, value in named if value.requires_grad}
        optimizer = build_optimizer(list(self.parameters.values()), config, run.device)
        self.objective, self.optimizer = self.accelerator.prepare(Objective(stage), optimizer)
        self.average = WeightAverage(self.parameters, config.ema_decay)

    def step(self, step: int, leave: bool = False) -> StepResult:
        """Do one optimiser step over all micro-batches of all processes.

        Args:
            step: from 0.
            leave: whether this process was asked to leave.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(step)

        # Losses and gradients of this process's share of the global batch.
        told: list[dict[str, float]] = []
        for micro_step in range(self.config.accumulation_steps):
            with self.accelerator.accumulate(self.objective):
                loss, scalars = self.objective(self.samples(step, micro_step))
                self.accelerator.backward(loss)
            told.append({"loss": float(loss.detach())} | scalars)

        # One step of the optimiser, the same everywhere: DDP has averaged the gradients.
        norm = self.accelerator.clip_grad_norm_(self.parameters.values(), self.config.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.average.update(step)

        means, anyone_leaves = self._agree(told, leave)
        rate = self.learning_rate(step)
        return StepResult(means | {"grad_norm": float(norm), "learning_rate": rate}, anyone_leaves)

    def samples(self, step: int, micro_step: int) -> list[torch.Generator]:
        """Return this process's share of the global batch: whole micro-batches, in turn."""
        size = self.run.batch_size
        turn = micro_step * self.accelerator.num_processes + self.accelerator.process_index
        return draw_samples(self.run.seed, step, range(turn * size, (turn + 1) * size))

    def learning_rate(self, step: int) -> float:
        """Linear warm-up, constant, and linear decay to a tenth over the last `decay_steps`."""
        rise = min(1.0, (step + 1) / max(self.config.warmup_steps, 1))
        left = self.run.steps - step
        fall = (
            1.0 if left >= self.config.decay_steps else 0.1 + 0.9 * left / self.config.decay_steps
        )
        return self.config.learning_rate * rise * fall

    def exported_weights(self) -> AbstractContextManager[None]:
        """Put the averages in place of the parameters for a while, where there are averages."""
        return self.average.applied() if self.config.ema_decay else nullcontext()

    def state(self, step: int) -> dict[str, Any]:
        """Return all that a run needs to go on after `step` steps."""
        scaler = self.accelerator.scaler
        return {
            "step": step,
            "parameters": {name: value.detach() for name, value in self.parameters.items()},
            "average": self.average.averages,
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler else {},
        }

    def load(self, state: dict[str, Any], where: str) -> int:
        """Copy what `state` returned, and return its step.

        Raises:
            WeightsError: it is of other parameters.
        """
        check_keys(where, self.parameters, state["parameters"])
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(state["parameters"][name])
        self.average.load(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        # Those of a CPU, and the counts of steps on any device, would be the checkpoint's own.
        for moments in self.optimizer.state.values():
            moments |= {name: value.clone() for name, value in moments.items() if _on_cpu(value)}
        if self.accelerator.scaler:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        return int(state["step"])

    def _agree(self, told: list[dict[str, float]], leave: bool) -> tuple[dict[str, float], bool]:
        """Average what every process has to tell, in one message."""
        means = {name: sum(one[name] for one in told) / len(told) for name in told[0]}
        if self.accelerator.num_processes == 1:
            return means, leave
        values = [*means.values(), float(leave)]
        together = torch.tensor(values, dtype=torch.float64, device=self.accelerator.device)
        *agreed, leaving = self.accelerator.reduce(together, "mean").tolist()
        return dict(zip(means, agreed, strict=True)), leaving > 0


def _on_cpu(value: object) -> bool:
    return isinstance(value, Tensor) and value.device.type == "cpu"
