"""A stage as small as one can be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tcan_core.training.drawing import Drawing
from tcan_core.training.samples import Samples, integers

POINTS = torch.randn(8, 5, generator=torch.Generator().manual_seed(3))


@dataclass(frozen=True)
class PointDrawing(Drawing):
    """Draws points by chance."""

    def draw(self, samples: Samples) -> Tensor:
        """Return a point for each sample, (batch, 5)."""
        return POINTS[integers(samples, len(POINTS))]

    def names(self, samples: Samples) -> list[str]:
        """Return the points of the samples."""
        return [f"point {one}" for one in integers(samples, len(POINTS))]


class Lines:
    """Fits a line to points that are drawn by chance."""

    validation = None
    base: tuple[str, ...] = ()
    drawing = PointDrawing()

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.line = nn.Linear(5, 1)
        self.frozen = nn.Linear(5, 1).requires_grad_(False)
        self.trained = nn.ModuleDict({"line": self.line, "frozen": self.frozen})
        self.exported: list[Tensor] = []

    def open_data(self) -> None:
        """Open nothing."""

    def loss(self, batch: Tensor) -> tuple[Tensor, dict[str, float]]:
        """Return the mean squared height of the line over the points."""
        heights = self.line(batch)
        return (heights**2).mean(), {"height": float(heights.detach().mean())}

    def sheet(self) -> NDArray[np.uint8]:
        """Return a grey image."""
        assert not self.trained.training
        return np.full((16, 24, 3), 7, np.uint8)

    def export(self, folder: Path) -> None:
        """Note the weights."""
        self.exported.append(self.line.weight.detach().clone())


def silent(step: int, scalars: dict[str, float]) -> None:
    """Report nothing."""
