"""The training loop of every stage.

A stage says what is trained, what a batch is and what the loss is. Batches and noise depend on the
seed and the step alone, so that a resumed run continues exactly where the killed one would have
gone on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tcan_core.errors import ConfigError
from tcan_core.media.image import write_png
from tcan_core.models.keys import check_keys
from tcan_core.training.checkpoint import load_checkpoint, save_checkpoint
from tcan_core.training.config import OptimizerConfig, RunConfig
from tcan_core.training.distributed import average_gradients, rank, wait_for_all, world_size
from tcan_core.training.ema import WeightAverage

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
Report = Callable[[int, dict[str, float]], None]


class Stage(Protocol):
    """What one training command adds to the loop."""

    @property
    def trained(self) -> nn.ModuleDict:
        """The modules whose parameters with `requires_grad` learn."""

    def loss(
        self, step: int, micro_step: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of one micro-batch and scalars to log."""

    def sheet(self) -> NDArray[np.uint8]:
        """Return a picture (height, width, 3) of what the model does now."""

    def export(self, folder: Path) -> None:
        """Write the trained parts."""


def train(
    stage: Stage, run: RunConfig, optimizer_config: OptimizerConfig, resume: bool, report: Report
) -> None:
    """Train to `run.steps`; checkpoints, scalars, sheets in `run.output`, parts in `run.export`."""
    if run.threads:
        torch.set_num_threads(run.threads)
    trainer = _Trainer(stage, run, optimizer_config)
    start = trainer.start(resume)
    with trainer.scalar_writer(start) as write_scalars:
        last_saved = time.monotonic()
        for step in range(start, run.steps):
            # One optimiser step.
            scalars = trainer.step(step)

            if not trainer.leads:
                continue

            # Say how it goes.
            if (step + 1) % run.log_every == 0:
                report(step + 1, scalars)
                write_scalars(step + 1, scalars)
            if (step + 1) % run.sheet_every == 0:
                trainer.write_sheet(step + 1)

            # Keep what was learned.
            if time.monotonic() - last_saved > run.checkpoint_every_s:
                trainer.save(step + 1)
                last_saved = time.monotonic()
    if trainer.leads:
        trainer.save(run.steps)
        trainer.write_sheet(run.steps)
    wait_for_all()


class _Trainer:
    """The state of a run: parameters, optimiser, average."""

    def __init__(self, stage: Stage, run: RunConfig, config: OptimizerConfig) -> None:
        self.stage, self.run, self.config = stage, run, config
        self.output = Path(run.output)
        self.leads = rank() == 0
        named = stage.trained.named_parameters()
        self.parameters = {name: value for name, value in named if value.requires_grad}
        self.optimizer = torch.optim.AdamW(
            self.parameters.values(),
            lr=config.learning_rate,
            betas=config.betas,
            eps=config.epsilon,
            weight_decay=config.weight_decay,
            foreach=True,
        )
        self.average = WeightAverage(self.parameters, config.ema_decay)
        self.scaler = torch.amp.GradScaler(run.device, enabled=run.precision == "fp16")

    def step(self, step: int) -> dict[str, float]:
        """Do one optimiser step over all micro-batches and return scalars for the log."""
        scalars: dict[str, float] = {}
        losses = []
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(step)
        for micro_step in range(self.config.accumulation_steps):
            generator = torch.Generator().manual_seed(
                hash((self.run.seed, step, micro_step * world_size() + rank())) % 2**63
            )
            with self.autocast():
                loss, scalars = self.stage.loss(step, micro_step, generator)
            losses.append(float(loss.detach()))
            self.scaler.scale(loss / self.config.accumulation_steps).backward()  # type: ignore[no-untyped-call]
        average_gradients(self.parameters.values())
        self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(
            self.parameters.values(), self.config.max_grad_norm, foreach=True
        )
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update(step)
        return {
            "loss": sum(losses) / len(losses),
            **scalars,
            "grad_norm": float(norm),
            "learning_rate": self.learning_rate(step),
        }

    def learning_rate(self, step: int) -> float:
        """Linear warm-up, constant, and linear decay to a tenth over the last `decay_steps`."""
        rise = min(1.0, (step + 1) / max(self.config.warmup_steps, 1))
        left = self.run.steps - step
        fall = (
            1.0 if left >= self.config.decay_steps else 0.1 + 0.9 * left / self.config.decay_steps
        )
        return self.config.learning_rate * rise * fall

    def autocast(self) -> AbstractContextManager[Any]:
        dtype = PRECISIONS[self.run.precision]
        return torch.autocast(self.run.device, dtype) if dtype else nullcontext()

    def save(self, step: int) -> None:
        state = {
            "step": step,
            "parameters": {name: value.detach() for name, value in self.parameters.items()},
            "average": self.average.averages,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }
        save_checkpoint(self.output / "checkpoint.pt", state)
        with self.exported_weights():
            self.stage.export(Path(self.run.export))

    def start(self, resume: bool) -> int:
        """Take over the last checkpoint, if there is one and it is wanted, and return its step.

        Raises:
            ConfigError: there is one and it is not wanted, or it is past the steps of this run.
        """
        path = self.output / "checkpoint.pt"
        if not path.exists():
            return 0
        if not resume:
            raise ConfigError(
                f"{path} is of an earlier run: go on from it with --resume, remove it, "
                "or choose another output"
            )
        start = self._load(path)
        if start > self.run.steps:
            raise ConfigError(f"{path} is at step {start}, past the {self.run.steps} of this run")
        return start

    def _load(self, path: Path) -> int:
        state = load_checkpoint(path)
        check_keys(str(path), self.parameters, state["parameters"])
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(state["parameters"][name])
        self.average.load(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        return int(state["step"])

    def exported_weights(self) -> AbstractContextManager[None]:
        return self.average.applied() if self.config.ema_decay else nullcontext()

    def write_sheet(self, step: int) -> None:
        self.stage.trained.eval()
        path = self.output / "sheets" / f"{step:07d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        with self.exported_weights(), torch.no_grad():
            write_png(path, self.stage.sheet())
        self.stage.trained.train()

    @contextmanager
    def scalar_writer(self, start: int) -> Iterator[Report]:
        if not self.leads:
            yield lambda step, scalars: None
            return
        from torch.utils.tensorboard import SummaryWriter

        # What the killed run logged after its last checkpoint comes again.
        writer = SummaryWriter(str(self.output / "scalars"), purge_step=start or None)

        def write(step: int, scalars: dict[str, float]) -> None:
            for name, value in scalars.items():
                writer.add_scalar(name, value, step)

        try:
            yield write
        finally:
            writer.close()
