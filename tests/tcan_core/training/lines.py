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
from tcan_core.training.samples import Samples, integers

POINTS = torch.randn(8, 5, generator=torch.Generator().manual_seed(3))
OPTIMIZER = OptimizerConfig(learning_rate=0.1, warmup_steps=0)


class Lines:
    """Fits a line to points that are drawn by chance."""

    validation = None

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.line = nn.Linear(5, 1)
        self.frozen = nn.Linear(5, 1).requires_grad_(False)
        self.trained = nn.ModuleDict({"line": self.line, "frozen": self.frozen})
        self.exported: list[Tensor] = []

    def loss(self, samples: Samples) -> tuple[Tensor, dict[str, float]]:
        """Return the mean squared height of the line over a point for each sample."""
        heights = self.line(POINTS[integers(samples, len(POINTS))])
        return (heights**2).mean(), {"height": float(heights.detach().mean())}

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
    join_processes("cpu")
    run = RunConfig(sys.argv[1], sys.argv[1], steps=3, batch_size=2)
    train(Lines(), run, OPTIMIZER, False, silent)
