"""A stage as small as one can be, and a program that trains it under torchrun."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tcan_core.training.config import OptimizerConfig, RunConfig
from tcan_core.training.distributed import join_processes
from tcan_core.training.loop import train

POINTS = torch.randn(8, 5, generator=torch.Generator().manual_seed(3))
OPTIMIZER = OptimizerConfig(learning_rate=0.1, warmup_steps=0)


class Lines:
    """Fits a line to eight points, taken in turn by micro-batches or drawn by chance."""

    def __init__(self, batch_size: int, by_chance: bool = False) -> None:
        torch.manual_seed(0)
        self.batch_size, self.by_chance = batch_size, by_chance
        self.line = nn.Linear(5, 1)
        self.frozen = nn.Linear(5, 1).requires_grad_(False)
        self.trained = nn.ModuleDict({"line": self.line, "frozen": self.frozen})
        self.exported: list[Tensor] = []

    def loss(
        self, step: int, micro_step: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """Return the mean squared height of the line over a batch of points."""
        order = torch.arange(8).roll(-micro_step * self.batch_size)
        if self.by_chance:
            order = torch.randperm(8, generator=generator)
        batch = POINTS[order[: self.batch_size]]
        return (self.line(batch) ** 2).mean(), {"micro_step": micro_step}

    def sheet(self) -> NDArray[np.uint8]:
        """Return a grey picture."""
        assert not self.trained.training
        return np.full((16, 24, 3), 7, np.uint8)

    def export(self, folder: Path) -> None:
        """Note the weights."""
        self.exported.append(self.line.weight.detach().clone())


def silent(step: int, scalars: dict[str, float]) -> None:
    """Report nothing."""


if __name__ == "__main__":
    join_processes()
    run = RunConfig(sys.argv[1], sys.argv[1], steps=3, batch_size=2)
    train(Lines(2, by_chance=True), run, OPTIMIZER, False, silent)
