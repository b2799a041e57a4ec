"""What a training command is to the loop."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from tcan_core.training.samples import Samples


class Validation(Protocol):
    """Measures the model on clips that it does not learn from."""

    @property
    def every(self) -> int:
        """Steps between validations."""

    def __call__(self, folder: Path) -> dict[str, float]:
        """Write clips and sheets into a new folder and return the metrics' means."""


class Stage(Protocol):
    """What one training command adds to the loop."""

    @property
    def trained(self) -> nn.ModuleDict:
        """The modules whose parameters with `requires_grad` learn."""

    @property
    def validation(self) -> Validation | None:
        """How the model is measured on the way, if at all."""

    def loss(self, samples: Samples) -> tuple[Tensor, dict[str, float]]:
        """Return the mean loss of these samples (a scalar) and scalars to log."""

    def sheet(self) -> NDArray[np.uint8]:
        """Return a picture (height, width, 3) of what the model does now."""

    def export(self, folder: Path) -> None:
        """Write the trained parts."""
